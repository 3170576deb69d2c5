from pathlib import Path
from typing import Any

import pytest
import teams

from mas import launch, wrapper
from mas.errors import RefusedError, UnknownStateError
from mas.launch import LaunchPlan, PanePlan, WindowPlan
from mas.structs import replace

MARK = "0f" * 8


def make_plan(**changes: Any) -> LaunchPlan:
    panes = tuple(PanePlan(agent_id, f"Agent {agent_id}", Path("/"), ("cat",), {}) for agent_id in ("00", "01"))
    plan = LaunchPlan(teams.SESSION, teams.NAME, Path("/root"), {}, (WindowPlan("meta", "tiled", panes),), teams.NONCE)
    return replace(plan, **changes)


def with_pane(**changes: Any) -> LaunchPlan:
    plan = make_plan()
    first, second = plan.windows[0].panes
    return replace(plan, windows=(WindowPlan("meta", "tiled", (replace(first, **changes), second)),))


def window(name: str, *agent_ids: str) -> WindowPlan:
    return WindowPlan(name, "tiled", tuple(PanePlan(one, "", Path("/"), ("cat",), {}) for one in agent_ids))


def test_script_is_one_line_so_that_its_first_failure_ends_it() -> None:
    text = launch.script(with_pane(title="one\ntwo", env={"A": "x\n}\ny"}))
    assert text.startswith(b"if-shell -F 1 { ")
    assert text.endswith(b" }\n")
    assert text.count(b"\n") == 1


@pytest.mark.parametrize(
    "plan",
    [
        make_plan(windows=()),
        make_plan(windows=(WindowPlan("meta", "tiled", ()),)),
        make_plan(windows=(window("meta", "00", "00"),)),
        make_plan(windows=(window("meta", "00"), window("meta", "01"))),
        make_plan(windows=(window("0", "00"),)),
        make_plan(windows=(replace(window("meta", "00"), layout="tile"),)),
        make_plan(windows=(replace(window("meta", "00"), layout="tiled\n"),)),
        make_plan(windows=(window("#(touch x)", "00"),)),
        make_plan(windows=(window("meta", ""),)),
        make_plan(name="mas.a"),
        make_plan(name="=mas"),
        make_plan(name="-d"),
        make_plan(name="mas-a\n"),
        make_plan(name="$0"),
        make_plan(nonce=""),
        make_plan(nonce="#{pane_id}"),
        make_plan(env={"": "x"}),
        make_plan(env={"A=B": "x"}),
        make_plan(env={"A": "x\0y"}),
        with_pane(env={"A\0": "x"}),
        with_pane(title="x\0y"),
        with_pane(argv=("cat", "\0")),
    ],
)
def test_what_tmux_cannot_be_told_is_refused(plan: LaunchPlan) -> None:
    with pytest.raises(RefusedError):
        launch.script(plan)


def test_marker_is_the_entry_that_the_panes_get() -> None:
    assert make_plan().marker == f"MAS_LAUNCH={teams.SESSION}:{teams.NONCE}"


def test_panes_are_those_of_all_windows_in_order() -> None:
    plan = make_plan(windows=(window("meta", "00"), window("design", "10", "11")))
    assert [pane.agent_id for pane in plan.panes] == ["00", "10", "11"]


def told(*panes: tuple[str, str]) -> str:
    nonce = teams.NONCE
    lines = [f"{nonce}p{pane}{nonce}p{agent}{nonce}p" for pane, agent in panes]
    server = f"{nonce}s".join(["", "$3", teams.NAME, "/run/tmux", "77", "1700000000", ""])
    return "\n".join([f"{nonce}c%5{nonce}c", server, *lines, ""])


def test_read_understands_what_the_script_prints() -> None:
    launched = launch.read(make_plan(), "a hook's words\n" + told(("%5", "00"), ("%9", ""), ("%6", "01")))
    assert launched == launch.Launched("$3", teams.NAME, "/run/tmux", 77, 1700000000, {"00": "%5", "01": "%6"})


def test_read_finds_nothing_where_the_script_did_not_come_to_its_end() -> None:
    assert launch.read(make_plan(), f"{teams.NONCE}c%5{teams.NONCE}c\n-:1: syntax error\n") is None


@pytest.mark.parametrize("panes", [[("%5", "00")], [("%5", "00"), ("%6", "02")], []])
def test_a_team_without_one_pane_for_each_agent_is_not_taken_for_built(panes: list[tuple[str, str]]) -> None:
    with pytest.raises(UnknownStateError):
        launch.read(make_plan(), told(*panes))


def test_pane_command_hands_over_the_words_of_the_agent_as_they_are() -> None:
    pane = PanePlan("07", "", Path("/a dir"), ("agent", "-x", "a b", "$HOME", ""), {}, anew=("agent", "--new"))
    assert launch.pane_command(pane) == (
        "/bin/sh", "-c", wrapper.WRAPPER, "mas-pane", "07", "/a dir", "5", "agent", "-x", "a b", "$HOME", "",
        "agent", "--new",
    )  # fmt: skip
