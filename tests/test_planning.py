"""A plan says all that a start will do, touches nothing, and refuses what cannot be done. On the real tmux."""

import os
import resource
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING
from zlib import crc32

import pytest
import roots

from mas import launch, planning, profiles, tmux
from mas.app import Mas
from mas.errors import (
    CapacityError,
    ConflictError,
    ExistsError,
    MasError,
    MissingProgramError,
    NotFoundError,
    RefusedError,
)
from mas.index import Index, encode
from mas.paths import Root
from mas.planning import StartOptions
from mas.structs import replace

if TYPE_CHECKING:
    from collections.abc import Callable

GIVEN = "0f0f0f0f-1111-4222-8333-444444444444"


def test_a_plan_touches_nothing(mas: Mas, tmux_socket: Path) -> None:
    before = sorted(mas.root.path.rglob("*"))
    assert mas.plan(StartOptions(template="duo", command="cat", label="x")).session_id
    assert sorted(mas.root.path.rglob("*")) == before
    assert roots.teams(tmux_socket, mas.root) == {}


@pytest.mark.parametrize(
    ("wanted", "kind"),
    [
        ({"session_id": "not-an-id"}, NotFoundError),
        ({"session_id": GIVEN.upper().replace("0F", "AB")}, NotFoundError),
        ({"session_id": GIVEN.replace("-4", "-1", 1)}, NotFoundError),
        ({"template": "none"}, NotFoundError),
        ({"agent": "none", "command": None}, NotFoundError),
        ({"command": "no-such-program --at-all"}, MissingProgramError),
        ({"label": "ab12"}, RefusedError),
        ({"label": "two\nlines"}, RefusedError),
        ({"config": {"units": [{"workers": [{"id": "99"}]}]}}, RefusedError),
        ({"config": {"weight": float("inf")}}, RefusedError),
    ],
)
def test_what_can_be_refused_is_refused_before_anything_is_made(
    mas: Mas, tmux_socket: Path, wanted: dict[str, object], kind: type[MasError]
) -> None:
    with pytest.raises(kind) as raised:
        roots.start(mas, **wanted)
    assert "\n" not in raised.value.message
    assert not mas.root.sessions.exists()
    assert roots.teams(tmux_socket, mas.root) == {}


def test_a_command_line_needs_no_profile_so_none_stands_in_its_way(mas: Mas) -> None:
    (mas.root.path / profiles.FILE).write_text("[profile.x")
    assert mas.plan(StartOptions(template="duo", command="cat")).choice.profile.command == ("cat",)
    with pytest.raises(RefusedError, match="is not TOML"):
        mas.plan(StartOptions(template="duo", agent="shell"))


def test_an_id_that_is_taken_is_refused(mas: Mas) -> None:
    roots.start(mas, session_id=GIVEN)
    with pytest.raises(ExistsError, match=f"session {GIVEN} exists") as up:
        roots.start(mas, session_id=GIVEN)
    assert up.value.hint == f"it is up: `mas attach {GIVEN}` goes there"
    assert mas.view(GIVEN).status == "active"
    mas.stop(GIVEN, grace=0)
    with pytest.raises(ExistsError) as down:
        roots.start(mas, session_id=GIVEN)
    assert down.value.hint == f"`mas resume {GIVEN}` brings it back, `mas rm {GIVEN}` removes it"


def test_an_id_is_refused_where_there_is_anything_even_empty(mas: Mas) -> None:
    (mas.root.sessions / GIVEN).mkdir(parents=True)
    with pytest.raises(ExistsError):
        roots.start(mas, session_id=GIVEN)
    assert list((mas.root.sessions / GIVEN).iterdir()) == []


def test_an_id_whose_team_runs_without_a_session_is_refused(mas: Mas, tmux_socket: Path) -> None:
    shutil.rmtree(roots.start(mas, session_id=GIVEN).workspace)
    with pytest.raises(ExistsError, match="runs already") as raised:
        roots.start(mas, session_id=GIVEN)
    assert raised.value.hint == "`mas doctor --fix` ends it"
    assert list(roots.teams(tmux_socket, mas.root)) == [GIVEN]


def test_two_plans_for_one_id_have_one_winner(mas: Mas, tmux_socket: Path) -> None:
    plans = [mas.plan(StartOptions(template="duo", command=roots.WAITING, session_id=GIVEN)) for _ in range(2)]
    mas.start(plans[0])
    with pytest.raises(ExistsError):
        mas.start(plans[1])
    assert mas.view(GIVEN).status == "active"
    assert list(roots.violations(mas, tmux_socket)) == []


def test_a_label_is_given_once(mas: Mas, tmux_socket: Path) -> None:
    roots.start(mas, label="mine")
    with pytest.raises(ExistsError, match="the label 'mine' is taken"):
        roots.start(mas, label="mine")
    assert list(roots.violations(mas, tmux_socket)) == []


def test_without_a_label_the_rows_of_others_are_not_read(mas: Mas) -> None:
    """There may be thousands. This one cannot be read at all."""
    mas.root.session("10000000-0000-4000-8000-000000000000").directory.mkdir(parents=True)
    unreadable = b'{"sessionId":"10000000-0000-4000-8000-000000000000",'
    index = b'{"version":"1.0","sessions":[\n' + unreadable
    mas.root.index.write_bytes(b"".join(encode(Index(index, len(index), crc32(index)), "2026-01-02T03:04:05Z")))
    with pytest.raises(ValueError, match="Expecting property name"):
        planning.check_label(mas, "mine")
    planning.check_label(mas, "")


def test_two_plans_for_one_label_have_one_winner(mas: Mas, tmux_socket: Path) -> None:
    plans = [mas.plan(StartOptions(template="duo", command=roots.WAITING, label="mine")) for _ in range(2)]
    mas.start(plans[0])
    with pytest.raises(ExistsError):
        mas.start(plans[1])
    assert [view.label for view in mas.list().views if view.session_id] == ["mine"]
    assert list(roots.violations(mas, tmux_socket)) == []


def test_a_label_is_free_again_after_a_start_that_failed(mas: Mas) -> None:
    plan = mas.plan(StartOptions(template="duo", command=roots.WAITING, label="mine"))
    with pytest.raises(RefusedError):
        mas.start(replace(plan, launch=broken(plan)))
    assert roots.start(mas, label="mine").session.label == "mine"


def broken(plan: planning.StartPlan) -> launch.LaunchPlan:
    """A team that tmux will not build to its end: its first pane can be made, its second has a title it refuses."""
    assert plan.launch is not None
    window = plan.launch.windows[0]
    panes = (window.panes[0], replace(window.panes[1], title="no\0title"))
    return replace(plan.launch, windows=(replace(window, panes=panes),))


def test_a_tmux_name_that_is_taken_is_left_alone_and_a_longer_one_given(mas: Mas, tmux_socket: Path) -> None:
    """Somebody's own session may be called like ours would be."""
    roots.tmux(tmux_socket, "new-session", "-d", "-s", f"mas-{GIVEN[:8]}", "cat")
    assert roots.start(mas, session_id=GIVEN).tmux_name == f"mas-{GIVEN[:13]}"
    mas.stop(GIVEN, grace=0)
    assert f"mas-{GIVEN[:8]}" in roots.tmux(tmux_socket, "list-sessions", "-F", "#{session_name}")


def test_a_tmux_name_on_record_is_taken_too(mas: Mas) -> None:
    """Its session may be brought back, and is called so in scripts."""
    roots.start(mas, session_id=GIVEN)
    mas.stop(GIVEN, grace=0)
    other = GIVEN.replace("1111", "2222")
    assert roots.start(mas, session_id=other).tmux_name == f"mas-{other[:13]}"
    assert mas.resume(GIVEN).tmux_name == f"mas-{GIVEN[:8]}"


def test_a_drawn_id_begins_like_nobody_elses(mas: Mas) -> None:
    """Neither a session's, nor one's that is being made or was removed."""
    made, removed = "1" + GIVEN[1:], "2" + GIVEN[1:]
    listed, unlisted = roots.start(mas, session_id=GIVEN).session.id, "3" + GIVEN[1:]
    for place in (mas.root.sessions / unlisted, mas.root.staging / made, mas.root.trash / f"{removed}.0"):
        place.mkdir(parents=True)
    drawn = [listed, made, removed, unlisted, "4" + GIVEN[1:]]
    assert planning.free_id(mas, tmux.Seen(running=False), drawn) == "4" + GIVEN[1:]


# --- whose place it is ---


def test_nothing_is_started_where_others_could_change_it(mas: Mas) -> None:
    session_id = roots.start(mas, team=False).session.session_id
    calls: list[Callable[[], object]] = [
        lambda: roots.start(mas),
        lambda: roots.start(mas, mode="legacy", template=None),
        lambda: mas.resume(session_id),
    ]
    for place in (mas.root.sessions, mas.root.path):
        place.chmod(0o777)
        for call in calls:
            with pytest.raises(RefusedError, match=f"{place}' is not safe: everybody can write to it") as refused:
                call()
            assert str(refused.value.hint).startswith(f"`chmod go-w '{place}'`")
        place.chmod(0o755)


# --- room ---


def test_no_terminals_or_descriptors_left_is_seen_before_anything_is_made(root: Root, tmux_socket: Path) -> None:
    """A server at its limit of open files does not fail, it hangs."""
    roots.make_template(root, "many", [f"{number}" for number in range(10, 30)])
    argv = ["tmux", "-f", os.devnull, "-S", str(tmux_socket), "new-session", "-d", "-s", "bystander", "cat"]
    subprocess.run(
        argv, check=True, timeout=10, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32))
    )
    mas = roots.mas_of(root)
    with pytest.raises(CapacityError, match="20 panes are needed"):
        roots.start(mas, template="many")
    assert not root.sessions.exists()


def test_a_root_that_cannot_be_written_to_is_refused(root: Root, tmux_socket: Path) -> None:
    del tmux_socket
    roots.make_template(root)
    mas = roots.mas_of(Root(Path("/proc/self")))
    with pytest.raises(ConflictError, match="cannot be written to"):
        planning.check_room(mas, 0, 0)
