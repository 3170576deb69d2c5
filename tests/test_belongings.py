"""What a team needs beside its record, made wrong by hand: told by its name, and nothing else with it."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import roots

from mas import belongings
from mas.app import Mas
from mas.reconcile import Workspace

Break = Callable[[Path], object]


def linked(name: str) -> Break:
    """Move a file or directory away, and leave a link to it."""

    def link(place: Path) -> None:
        elsewhere = place.with_name("elsewhere")
        (place / name).touch() if name == "messages.jsonl" else (place / name).mkdir(exist_ok=True)
        (place / name).rename(elsewhere)
        (place / name).symlink_to(elsewhere)

    return link


def removed(name: str) -> Break:
    return lambda place: shutil.rmtree(place / name)


def file_for_logs(place: Path) -> None:
    removed("logs")(place)
    (place / "logs").touch()


def look(mas: Mas, session_id: str) -> Workspace:
    return belongings.look(mas, mas.storage.read(session_id).document)


@pytest.mark.parametrize(
    ("spoil", "seen"),
    [
        (lambda _: None, Workspace()),
        (removed("unit"), Workspace(missing=("unit",))),
        (removed("unit/11"), Workspace(missing=("unit/11",))),
        (removed("workflows"), Workspace(missing=("workflows",))),
        (removed("logs"), Workspace(missing=("logs",))),
        (linked("unit"), Workspace(odd=("unit",))),
        (linked("unit/10"), Workspace(odd=("unit/10",))),
        (linked("workflows"), Workspace(odd=("workflows",))),
        (linked("logs"), Workspace(odd=("logs",))),
        (linked("bin"), Workspace(odd=("bin",))),
        (linked("messages.jsonl"), Workspace(odd=("messages.jsonl",))),
        (file_for_logs, Workspace(odd=("logs",))),
        (lambda place: (place / "messages.jsonl").write_bytes(b"nonsense\n"), Workspace(unreadable=9)),
    ],
)
def test_what_is_wrong_is_named(mas: Mas, spoil: Break, seen: Workspace) -> None:
    started = roots.start(mas, team=False)
    spoil(started.workspace)
    assert look(mas, started.session.session_id) == seen


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda config: config.unlink(), "its config.json is missing"),
        (lambda config: config.write_text("nonsense"), "config.json is damaged"),
        (lambda config: config.symlink_to(config.rename(config.with_name("x"))), "is no regular file"),
    ],
)
def test_a_configuration_that_cannot_be_used_says_why_and_what_helps(mas: Mas, spoil: Break, why: str) -> None:
    started = roots.start(mas, team=False)
    spoil(started.workspace / "config.json")
    seen = look(mas, started.session.session_id)
    assert why in seen.config
    assert seen.config_remedy
    assert (seen.missing, seen.odd, seen.unreadable) == ((), (), 0)


def test_of_a_record_without_a_team_nothing_is_expected(mas: Mas) -> None:
    assert look(mas, mas.manager.create_session("Build it").session_id) == Workspace()
