"""What waits is delivered once, in order, to agents that read; and whoever does it ends by itself."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import stubs
import teams
from bashes import PROGRAM
from roots import mas_of

from mas import courier, delivery, files
from mas.app import Mas
from mas.delivery import SendOptions
from mas.mailbox import TEXTS, Mailbox
from mas.messages import BEHIND, BEING_DELIVERED, DELIVERY_CUT_OFF, INLINE_BYTES, Address, Fate, Message
from mas.paths import Root
from mas.reach import reach
from mas.team import apply_config

Wait = Callable[..., None]


@pytest.fixture
def mas(root: Root, tmux_socket: Path) -> Mas:
    del tmux_socket
    return mas_of(root)


def queue(mas: Mas, session_id: str, agent_id: str, *texts: str) -> None:
    """Messages that wait, without anybody being told."""
    fates = {agent_id: Fate("queued")}
    messages = (
        Message(f"{n}-{text[:9]}", "", "", agent_id, (agent_id,), text, fates=fates) for n, text in enumerate(texts)
    )
    Mailbox(mas.root, session_id).accept(*messages)


def fates(mas: Mas, session_id: str) -> list[tuple[str, str, Fate]]:
    """Kind, text and fate of all messages, each to one agent."""
    return [(one.kind, one.text, next(iter(one.fates.values()))) for one in mas.messages(session_id).values()]


def log(mas: Mas, session_id: str) -> str:
    return (mas.root.session(session_id).logs / "session.log").read_text()


# --- first prompts ---


def test_each_first_prompt_arrives_once_when_its_agent_reads(mas: Mas, wait_until: Wait) -> None:
    session_id = stubs.start(mas, "--slow", "1", config=stubs.prompts(a10="begin\nhere", a11="x" * INLINE_BYTES * 2))
    wait_until(lambda: stubs.received(mas, session_id, "10") == ["begin\nhere"])
    wait_until(lambda: stubs.received(mas, session_id, "11") == ["x" * INLINE_BYTES * 2])
    wait_until(lambda: all(fate.outcome == "submitted" for *_, fate in fates(mas, session_id)))
    assert {kind for kind, *_ in fates(mas, session_id)} == {"prompt"}
    assert courier.deliver_waiting(mas, session_id, timeout=1) == ()
    assert stubs.received(mas, session_id, "10") == ["begin\nhere"]
    wait_until(lambda: log(mas, session_id).count("submitted") == 2)


@pytest.mark.parametrize(("profile", "wanted"), [("resume = {command}", 1), ("", 2)])
def test_who_goes_on_with_a_conversation_is_not_prompted_again(
    mas: Mas, wait_until: Wait, profile: str, wanted: int
) -> None:
    session_id = stubs.start(mas, ids=("10",), config=stubs.prompts(a10="begin"), profile=profile)
    wait_until(lambda: len(stubs.received(mas, session_id, "10")) == 1)
    mas.stop(session_id, grace=0)
    mas.send(session_id, Address("10", "and go on"))
    mas.resume(session_id)
    texts = [*["begin"] * wanted, "and go on"]
    wait_until(lambda: len(stubs.received(mas, session_id, "10")) == wanted + 1)
    assert sorted(stubs.received(mas, session_id, "10")) == sorted(texts)


def test_who_never_got_its_prompt_has_no_conversation_to_go_on_with(mas: Mas, wait_until: Wait) -> None:
    goes_on = "resume = ['sh', '-c', 'echo as before; exec cat']"
    session_id = stubs.start(mas, "--ask", ids=("10",), config=stubs.prompts(a10="begin"), profile=goes_on)
    wait_until(lambda: "May I?" in stubs.screen(mas, session_id, "10"))
    mas.stop(session_id, grace=0)
    mas.resume(session_id)
    wait_until(lambda: "May I?" in stubs.screen(mas, session_id, "10"))
    mas.send(session_id, Address("10", "yes"), SendOptions(answer=True))
    wait_until(lambda: stubs.received(mas, session_id, "10")[-1:] == ["begin"])
    mas.stop(session_id, grace=0)
    mas.resume(session_id)
    wait_until(lambda: "as before" in stubs.screen(mas, session_id, "10"))
    assert [one.kind for one in mas.messages(session_id).values()].count("prompt") == 1


def test_who_has_nothing_to_go_on_with_begins_anew_with_its_prompt(mas: Mas, wait_until: Wait) -> None:
    mas.program = PROGRAM
    config = stubs.prompts(a10="begin")
    session_id = stubs.start(mas, config=config, profile="resume = ['sh', '-c', 'echo nothing; exit 1']")
    wait_until(lambda: stubs.received(mas, session_id, "10") == ["begin"])
    mas.stop(session_id, grace=0)
    mas.resume(session_id)
    wait_until(lambda: stubs.received(mas, session_id, "10") == ["begin", "begin"])
    wait_until(lambda: all("begins anew" not in stubs.screen(mas, session_id, one) for one in ("10", "11")))
    assert not any(look.exit_code for look in reach(mas, session_id).look(["10", "11"]).values())


def test_a_prompt_that_still_waits_is_neither_doubled_nor_outlived_by_another(mas: Mas) -> None:
    session_id = stubs.start(mas)
    mas.stop(session_id, grace=0)
    team = reach(mas, session_id).team

    def prompted(text: str) -> int:
        return courier.enqueue_prompts(mas, session_id, apply_config(team, stubs.prompts(a10=text)))

    assert [prompted("one"), prompted("one"), prompted("two")] == [1, 0, 1]
    assert [(text, fate.outcome) for _, text, fate in fates(mas, session_id)] == [("one", "refused"), ("two", "queued")]


def test_prompts_of_a_configuration_are_given_once_in_each_life_of_a_team(mas: Mas, wait_until: Wait) -> None:
    session_id = stubs.start(mas, config=stubs.prompts(a10="begin"))
    wait_until(lambda: stubs.received(mas, session_id, "10") == ["begin"])
    config = stubs.prompts(a10="begin", a11="two")
    expected = [["begin"], ["two"]]
    for life in (1, 2, 3):
        assert courier.enqueue_config(mas, session_id, config) == 1
        courier.deliver_waiting(mas, session_id)
        wait_until(lambda: all(fate.outcome == "submitted" for *_, fate in fates(mas, session_id)))
        assert courier.enqueue_config(mas, session_id, config) == 0
        assert [stubs.received(mas, session_id, one) for one in ("10", "11")] == [one * life for one in expected]
        mas.stop(session_id, grace=0)
        mas.resume(session_id)
        wait_until(lambda life=life: stubs.received(mas, session_id, "10") == ["begin"] * (life + 1))


def test_a_session_without_prompts_has_nobody_waiting(mas: Mas) -> None:
    session_id = stubs.start(mas)
    assert not courier.something_waits(mas, session_id)
    assert not mas.root.session(session_id).messages.exists()
    assert not (mas.root.session(session_id).logs / "session.log").exists()


# --- what waits ---


def test_what_waits_is_delivered_once_and_in_order_when_the_team_is_back(mas: Mas, wait_until: Wait) -> None:
    session_id = stubs.start(mas)
    mas.stop(session_id, grace=0)
    texts = ["first", "second", "x" * (INLINE_BYTES + 1), "last"]
    for text in texts:
        assert mas.send(session_id, Address("10", text)).fates["10"].outcome == "queued"
    mas.resume(session_id)
    wait_until(lambda: stubs.received(mas, session_id, "10") == texts)
    wait_until(lambda: not courier.something_waits(mas, session_id))
    assert courier.deliver_waiting(mas, session_id, timeout=1) == ()
    assert stubs.received(mas, session_id, "10") == texts


def test_typed_only_stays_so(mas: Mas, wait_until: Wait) -> None:
    session_id = stubs.start(mas)
    mas.stop(session_id, grace=0)
    mas.send(session_id, Address("10", "half "), SendOptions(execute=False))
    mas.send(session_id, Address("10", "a line"))
    mas.resume(session_id)
    wait_until(lambda: stubs.received(mas, session_id, "10") == ["half a line"])


def test_a_question_for_permission_is_not_answered_by_what_waits(mas: Mas, wait_until: Wait) -> None:
    session_id = stubs.start(mas, "--ask", ids=("10",))
    wait_until(lambda: "May I?" in stubs.screen(mas, session_id, "10"))
    queue(mas, session_id, "10", "yes", "and yes")
    assert courier.deliver_waiting(mas, session_id, timeout=0.5) == ("10",)
    assert "May I?" in stubs.screen(mas, session_id, "10")
    teams.tmux(Path(mas.environ["MAS_TMUX_SOCKET"]), "send-keys", "-t", reach(mas, session_id).panes["10"], "Enter")
    assert courier.deliver_waiting(mas, session_id, timeout=20) == ()
    wait_until(lambda: stubs.received(mas, session_id, "10") == ["yes", "and yes"])


def test_who_asks_after_the_first_message_gets_the_second_later(mas: Mas, wait_until: Wait) -> None:
    session_id = stubs.start(mas, ids=("10",))
    stubs.settled(mas, session_id, wait_until)
    queue(mas, session_id, "10", "/ask", "not yes")
    assert courier.deliver_waiting(mas, session_id, timeout=1) == ("10",)
    assert stubs.received(mas, session_id, "10") == ["/ask"]
    assert "May I?" in stubs.screen(mas, session_id, "10")


def test_it_ends_where_nobody_is_there(mas: Mas, wait_until: Wait) -> None:
    session_id = stubs.start(mas)
    stubs.settled(mas, session_id, wait_until)
    mas.send(session_id, Address("10", "/exit 0"))
    wait_until(lambda: reach(mas, session_id).look(["10"])["10"].exit_code == 0)
    queue(mas, session_id, "10", "too late")
    assert courier.deliver_waiting(mas, session_id, timeout=60) == ("10",)
    mas.stop(session_id, grace=0)
    assert courier.deliver_waiting(mas, session_id, timeout=60) == ("10",)


def test_an_agent_that_ends_while_it_is_typed_to_keeps_its_message(mas: Mas, wait_until: Wait) -> None:
    session_id = stubs.start(mas)
    stubs.settled(mas, session_id, wait_until)
    found = reach(mas, session_id)
    seen = found.look(["10"])
    mas.send(session_id, Address("10", "/exit 0"))
    wait_until(lambda: found.look(["10"])["10"].exit_code == 0)
    message = Message("m", "", "", "10", ("10",), "canary")
    assert delivery.deliver(found, message, seen, SendOptions()) == {"10": Fate("queued", "it has ended (exit 0)")}
    refused = delivery.deliver(found, message, seen, SendOptions(queue=False))
    assert refused == {"10": Fate("refused", "it has ended (exit 0)")}


def test_a_text_that_is_gone_is_not_waited_for(mas: Mas, wait_until: Wait) -> None:
    session_id = stubs.start(mas)
    stubs.settled(mas, session_id, wait_until)
    queue(mas, session_id, "10", "x" * (INLINE_BYTES + 1), "next")
    (gone,) = (mas.root.session(session_id).directory / TEXTS).iterdir()
    gone.unlink()
    assert courier.deliver_waiting(mas, session_id, timeout=20) == ()
    assert [fate.outcome for *_, fate in fates(mas, session_id)] == ["refused", "submitted"]
    wait_until(lambda: stubs.received(mas, session_id, "10") == ["next"])


def test_it_goes_on_as_long_as_somebody_is_there(mas: Mas, wait_until: Wait) -> None:
    """Also once it looks only now and then: an agent may ask for hours."""
    session_id = stubs.start(mas, "--ask", ids=("10",))
    wait_until(lambda: "May I?" in stubs.screen(mas, session_id, "10"))
    queue(mas, session_id, "10", "at last")
    left: list[tuple[str, ...]] = []
    working = threading.Thread(target=lambda: left.append(courier.deliver_waiting(mas, session_id, pace=(0, 0.5))))
    working.start()
    pane = reach(mas, session_id).panes["10"]
    teams.tmux(Path(mas.environ["MAS_TMUX_SOCKET"]), "send-keys", "-t", pane, "Enter")
    working.join(30)
    assert left == [()]
    wait_until(lambda: stubs.received(mas, session_id, "10") == ["at last"])


def test_a_team_that_came_back_meanwhile_is_delivered_to(mas: Mas, tmux_socket: Path, wait_until: Wait) -> None:
    teams.start_server(tmux_socket)  # lives on, so that the team comes back in other panes
    session_id = stubs.start(mas, "--ask", ids=("10",))
    wait_until(lambda: "May I?" in stubs.screen(mas, session_id, "10"))
    queue(mas, session_id, "10", "at last")
    working = threading.Thread(target=lambda: courier.deliver_waiting(mas, session_id, timeout=30, pace=(0, 1)))
    working.start()
    wait_until(lambda: files.is_locked(Mailbox(mas.root, session_id).lock_of_courier))
    mas.stop(session_id, grace=0)
    mas.resume(session_id)  # nobody is called, for somebody is at it
    wait_until(lambda: "May I?" in stubs.screen(mas, session_id, "10"))
    assert mas.send(session_id, Address("10", "1"), SendOptions(answer=True)).fates["10"].outcome == "submitted"
    wait_until(lambda: stubs.received(mas, session_id, "10") == ["at last"])
    working.join(30)


def test_one_at_a_time_delivers(mas: Mas, wait_until: Wait) -> None:
    session_id = stubs.start(mas)
    stubs.settled(mas, session_id, wait_until)
    queue(mas, session_id, "10", "hello")
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with files.lock(Mailbox(mas.root, session_id).lock_of_courier):
            held.set()
            done.wait(20)

    other = threading.Thread(target=hold)
    other.start()
    held.wait(20)
    try:
        delivery.call_courier(mas, session_id)
        assert courier.deliver_waiting(mas, session_id, timeout=20) == ("10",)
    finally:
        done.set()
        other.join()
    assert not (mas.root.session(session_id).logs / "session.log").exists()
    assert courier.deliver_waiting(mas, session_id, timeout=20) == ()


def test_a_message_that_is_being_delivered_is_not_called_unknown(mas: Mas, wait_until: Wait) -> None:
    session_id = stubs.start(mas, profile="enter_delay = 2")
    stubs.settled(mas, session_id, wait_until)
    queue(mas, session_id, "10", "hello")
    working = threading.Thread(target=lambda: courier.deliver_waiting(mas, session_id, timeout=30))
    working.start()
    wait_until(lambda: "hello" in stubs.screen(mas, session_id, "10"))
    assert [fate for *_, fate in fates(mas, session_id)] == [BEING_DELIVERED]
    working.join(30)
    assert [fate for *_, fate in fates(mas, session_id)] == [Fate("submitted")]


def test_what_a_courier_was_typing_when_it_was_killed_is_unknown_and_not_typed_again(
    mas: Mas, wait_until: Wait
) -> None:
    session_id = stubs.start(mas)
    stubs.settled(mas, session_id, wait_until)
    queue(mas, session_id, "10", "cut", "next")
    Mailbox(mas.root, session_id).settle([("0-cut", "10", BEING_DELIVERED)])
    assert courier.deliver_waiting(mas, session_id, timeout=20) == ()
    assert [fate for *_, fate in fates(mas, session_id)] == [DELIVERY_CUT_OFF, BEHIND]
    wait_until(lambda: stubs.received(mas, session_id, "10") == ["next"])


def test_a_session_that_is_removed_ends_it(mas: Mas) -> None:
    session_id = stubs.start(mas)
    mas.remove(session_id, force=True)
    assert courier.deliver_waiting(mas, session_id, timeout=60) == ()
    assert not mas.root.session(session_id).directory.exists()
