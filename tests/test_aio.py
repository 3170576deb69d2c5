"""The session manager as coroutines."""

import asyncio
import inspect

from mas import MemoryStorage, events
from mas.aio import SessionManager
from mas.manager import SessionManager as Manager
from mas.states import Completed, Running


async def work() -> list[str]:
    heard: list[str] = []

    async def hear(_: str, happened: events.TimestampedEvent) -> None:
        await asyncio.to_thread(lambda: None)
        heard.append(type(happened.event).__name__)

    manager = SessionManager(storage=MemoryStorage())
    manager.add_observer(hear)
    session = await manager.create_session("Try it")
    await manager.start_session(session.id)
    await manager.record_event(session.id, events.IterationStarted(1))
    assert await manager.get_state(session.id) == Running(1)
    await manager.update_session(session.id, {"statistics": {"total_tasks": 2}})
    await manager.record_event(session.id, events.IterationCompleted())
    await manager.save_checkpoint(session.id)
    assert (await manager.get_progress(session.id)).iterations_completed == 1
    await manager.transition_state(session.id, "generating_tasks")
    assert (await manager.complete_session(session.id)).iterations == 1
    assert isinstance((await manager.restore_session(session.id)).state, Completed)
    assert [one.id for one in await manager.query_sessions()] == [session.id]
    assert await manager.list_active_sessions() == []
    assert len(await manager.get_recent_sessions(1)) == 1
    assert (await manager.get_session(session.id)).statistics.total_tasks == 2
    assert len(await manager.events(session.id)) < len(await manager.records(session.id))
    assert await manager.flush(5)
    manager.remove_observer(hear)
    await manager.delete_session(session.id)
    await manager.close()
    return heard


def test_everything_can_be_awaited_and_is_heard_in_order() -> None:
    heard = asyncio.run(work())
    assert heard == ["Started", "IterationStarted", "IterationCompleted", "PhaseChanged", "Completed"]


def test_the_names_and_arguments_are_the_managers() -> None:
    own = {"change", "create", "draft", "finish_worktree", "observe", "prune_checkpoints", "retry"}  # mas builds on it
    for name, method in inspect.getmembers(Manager, inspect.isfunction):
        if not name.startswith("_") and name not in own:
            same = inspect.signature(getattr(SessionManager, name)).parameters
            assert list(same) == list(inspect.signature(method).parameters), name
