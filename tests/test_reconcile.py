"""From what is seen to what is wrong: one row of a table for each rule, and what holds of any sight."""

from typing import Any

import pytest
from hypothesis import given, strategies

from mas import reconcile
from mas.mending import ACTIONS
from mas.reconcile import INDEX, NOTES, Finding, Report, Seen, Workspace, plan

ID = "0f0f0f0f-1111-4222-8333-444444444444"
ROW = {"sessionId": ID, "status": "active", "lastActivity": "x", "rev": 3}


def record(**runtime: Any) -> dict[str, Any]:
    """A record whose team is up, unless something else is said of it."""
    known = {"mode": "isolated", "wanted": "up", "observed": "up", "agents": ["10", "11"]}
    return {"session_id": ID, "status": "initializing", "runtime": known | runtime}


def sound(**other: Any) -> Seen:
    """A session whose team is up and in which nothing is wrong."""
    team = {"runtime": "up", "panes": frozenset({"10", "11"})}
    place = {"place": "directory", "document": record(), "row": ROW, "expected_row": ROW, "lock_file": True}
    return Seen(ID, **{**place, **team, **other})


def problems(seen: Seen) -> list[str]:
    return [finding.problem for finding in plan(seen)]


STOPPED = record(wanted="down", observed="down")
STOPPING = record(wanted="down")
STARTING = record(observed="unknown")
LOST = record(observed="down")
HAD_RECORD = ROW | {"lifecycle": "planning"}
HALF_MADE = record() | {"lifecycle": {"config": {"execution_mode": {"worktree": "feature"}}}}


@pytest.mark.parametrize(
    "seen",
    [
        sound(),
        sound(document=STOPPED, runtime="down", panes=frozenset()),
        sound(document=LOST, runtime="down", panes=frozenset()),
        sound(panes=frozenset({"10"})),  # a person closed one
        sound(lock_file=False),
        sound(document={"session_id": ID, "status": "planning"}, runtime="down"),
        sound(maestro=True, row=None, expected_row=None, shell_right=True),
        sound(row=ROW | {"lastActivity": "y", "rev": 2, "foreign": 1}),
        sound(runtime="unknown", panes=frozenset()),
        sound(document=STARTING, runtime="unknown", panes=frozenset()),
        sound(document=STOPPING, runtime="unknown", panes=frozenset()),
        Seen(ID),
        Seen(ID, runtime="unknown"),
    ],
)
def test_in_what_is_clean_nothing_is_found(seen: Seen) -> None:
    """What tmux does not answer changes nothing either."""
    assert plan(seen) == ()


@pytest.mark.parametrize(
    ("seen", "found"),
    [
        # aside
        (Seen(ID, staged=True, lock_file=True), ["staging", "lock_without_directory"]),
        (Seen(ID, discarded=(f"{ID}.0", f"{ID}.1")), ["trash", "trash"]),
        (sound(discarded=(f"{ID}.0",)), ["trash"]),
        # no directory
        (Seen(ID, row=ROW), ["row_without_directory"]),
        (Seen(ID, lock_file=True), ["lock_without_directory"]),
        (Seen(ID, runtime="up"), ["orphan_team"]),
        (Seen(ID, survivors=2), ["survivors"]),
        (
            Seen(ID, runtime="up", row=ROW, lock_file=True),
            ["orphan_team", "row_without_directory", "lock_without_directory"],
        ),
        # a directory of somebody else's
        (Seen(ID, place="foreign"), ["foreign_directory"]),
        (Seen(ID, place="foreign", row={"sessionId": ID, "status": "error"}), ["foreign_directory"]),
        (Seen(ID, place="foreign", row=HAD_RECORD, lock_file=True), ["displaced"]),
        (Seen(ID, place="earlier", row=ROW), ["earlier_program"]),
        # its files
        (sound(temporaries=("x",)), ["temporary"]),
        (sound(wrong_modes=("events.jsonl",)), ["modes"]),
        (sound(damaged_checkpoints=(3, 5)), ["checkpoint", "checkpoint"]),
        (sound(odd_checkpoints=(3,)), ["checkpoint"]),
        # its record
        (sound(newer=True, torn=3, stale=True), ["newer"]),
        (sound(document=None, unreadable="why"), ["unreadable"]),
        (sound(document=None, unreadable="why", runtime="down"), ["unreadable", "row"]),
        (sound(document=None, unreadable="why", runtime="down", row=ROW | {"status": "error"}), ["unreadable"]),
        (sound(damage="why", stale=True, row=ROW | {"status": "error"}), ["damage"]),
        (sound(torn=3, stale=True), ["torn"]),
        (sound(rejected=True, stale=True), ["rejected"]),
        (sound(edited=True, stale=True), ["edited"]),
        (sound(stale=True), ["stale"]),
        (sound(document=HALF_MADE), ["half_made_worktree"]),
        (sound(document=HALF_MADE | {"status": "failed"}), []),
        (sound(document=HALF_MADE, damage="why"), ["damage"]),
        # its workspace
        (sound(workspace=Workspace(missing=("unit/10", "logs"), odd=("bin",))), ["workspace"] * 3),
        (sound(workspace=Workspace(config="why", unreadable=3)), ["config", "messages"]),
        (sound(workspace=Workspace(missing=("logs",)), newer=True), ["newer"]),
        # its team
        (sound(document=STARTING), ["half_started"]),
        (sound(document=STARTING, panes=frozenset({"10"})), ["half_built"]),
        (sound(document=STARTING, runtime="down"), ["interrupted"]),
        (sound(document=LOST), ["half_started"]),
        (sound(document=LOST, panes=frozenset()), ["half_started"]),
        (sound(runtime="down"), ["interrupted"]),
        (sound(runtime="down", survivors=1), ["survivors", "interrupted"]),
        (sound(document=LOST, runtime="down", survivors=1), ["survivors"]),
        (sound(document=STOPPING), ["half_stopped"]),
        (sound(document=STOPPED), ["half_stopped"]),
        (sound(document=STOPPING, runtime="down"), ["half_stopped"]),
        (sound(document=STOPPED, runtime="down", survivors=1), ["half_stopped"]),
        (sound(document=STOPPING, damage="why"), ["damage"]),
        (sound(document=STOPPING, newer=True), ["newer"]),
        # what is made from it
        (sound(row=None), ["directory_without_row"]),
        (sound(row=ROW | {"status": "stopped"}), ["row"]),
        (sound(shell_right=False), ["shell"]),
        (sound(shell_right=False, shell_odd=True, row=None), ["shell"]),
        (sound(damage="why", row=None), ["damage", "directory_without_row"]),
        (sound(document=None, unreadable="why", row=None), ["unreadable"]),
        # somebody at work
        (sound(locked="process 1", torn=3), ["busy"]),
    ],
)
def test_each_rule(seen: Seen, found: list[str]) -> None:
    assert problems(seen) == found


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ((".", "logs"), "others can read its directory, logs"),
        (("a", "b", "c", "d", "e", "f"), "others can read a, b, c, d and 2 more"),
    ],
)
def test_few_files_are_told_by_name(wrong: tuple[str, ...], text: str) -> None:
    assert [one.text for one in plan(sound(wrong_modes=wrong))] == [text]


def test_one_file_is_told_as_one() -> None:
    assert [plan(sound(temporaries=names))[0].text for names in (("x",), ("x", "y"))] == [
        "1 unfinished file",
        "2 unfinished files",
    ]


@pytest.mark.parametrize(
    ("seen", "remedy"),
    [
        (sound(shell_right=False, shell_odd=True), "mas follows no links; look at it and move it away"),
        (
            Seen(ID, place="foreign", row=HAD_RECORD),
            f"bring its directory back, or move this away and `mas rm {ID[:8]}`",
        ),
    ],
)
def test_what_stands_in_the_place_of_ours_is_left_to_a_person_and_remains(seen: Seen, remedy: str) -> None:
    found = plan(seen)
    assert [(one.action, one.remedy) for one in found] == [("", remedy)]
    assert Report(found).remaining == found


@pytest.mark.parametrize(
    ("workspace", "action", "remedy"),
    [
        (Workspace(missing=("logs",)), "make_logs", ""),
        (Workspace(missing=("unit/10",)), "", "bring it back, or `mas rm 0f0f0f0f`"),
        (Workspace(odd=("logs",)), "", "mas follows no links; look at it and move it away"),
        (Workspace(config="why", config_remedy="bring it back"), "", "bring it back"),
        (Workspace(unreadable=3), "set_messages_aside", ""),
    ],
)
def test_of_a_workspace_what_loses_nothing_is_mended_and_the_rest_has_a_remedy(
    workspace: Workspace, action: str, remedy: str
) -> None:
    (found,) = plan(sound(workspace=workspace))
    assert (found.action, found.remedy, found.lossy) == (action, remedy, False)


TEXTS = strategies.sampled_from(["", "why"])
WORDS = strategies.sampled_from(["up", "down", "unknown"])
DOCUMENTS = strategies.none() | strategies.builds(record, wanted=WORDS, observed=WORDS)
ROWS = strategies.none() | strategies.just(ROW) | strategies.just(ROW | {"status": "error"})
SIGHTS = strategies.builds(
    Seen,
    session_id=strategies.just(ID),
    place=strategies.sampled_from(["directory", "foreign", "none"]),
    document=DOCUMENTS,
    unreadable=TEXTS,
    damage=TEXTS,
    torn=strategies.integers(0, 2),
    locked=TEXTS,
    row=ROWS,
    expected_row=ROWS,
    runtime=WORDS,
    panes=strategies.frozensets(strategies.sampled_from(["10", "11"])),
    survivors=strategies.integers(0, 2),
    discarded=strategies.sampled_from([(), (f"{ID}.0",)]),
    temporaries=strategies.sampled_from([(), ("x",)]),
    wrong_modes=strategies.sampled_from([(), ("x",)]),
    damaged_checkpoints=strategies.sampled_from([(), (3,)]),
    odd_checkpoints=strategies.sampled_from([(), (5,)]),
    workspace=strategies.sampled_from([Workspace(), Workspace(("logs", "unit"), ("bin",), "why", "what", 3)]),
)


@given(SIGHTS)
def test_of_any_sight_the_findings_are_told_apart_and_can_be_carried_out(seen: Seen) -> None:
    found = plan(seen)
    assert len(set(found)) == len(found)
    assert {finding.session_id for finding in found} <= {ID}
    assert {finding.action for finding in found if finding.action} <= set(ACTIONS)
    assert all(finding.text and "\n" not in finding.text for finding in found)


@given(SIGHTS)
def test_where_tmux_gives_no_answer_nothing_is_concluded_about_a_team(seen: Seen) -> None:
    if seen.runtime == "unknown":
        assert {finding.problem for finding in plan(seen)} & reconcile.OF_TEAMS == set()


@given(SIGHTS)
def test_only_what_is_named_is_given_up(seen: Seen) -> None:
    assert {finding.problem for finding in plan(seen) if finding.lossy} <= {"damage"}


@given(SIGHTS)
def test_what_is_not_ours_is_left_alone(seen: Seen) -> None:
    if seen.place == "foreign":
        touching = {finding.problem for finding in plan(seen) if finding.action}
        assert touching <= {"staging", "trash"}


# --- so many at once ---


def lost(count: int, problem: str = "row_without_directory") -> list[Finding]:
    return [Finding(f"{number}", problem, "gone", "drop_row") for number in range(count)]


@pytest.mark.parametrize(
    ("found", "rows", "many"),
    [
        ([], 0, 0),
        (lost(2), 2, 0),
        (lost(2), 100, 0),
        (lost(3), 15, 0),
        (lost(3), 14, 3),
        (lost(3) + lost(3, "orphan_team"), 15, 0),
        (lost(3) + lost(3, "orphan_team"), 14, 3),
        (lost(3) + lost(3, "trash"), 3, 0),
        (lost(1, "orphan_team"), 0, 1),
        (lost(5, "modes"), 0, 0),
    ],
)
def test_so_many_are_not_missing_by_themselves(found: list[Finding], rows: int, many: int) -> None:
    assert reconcile.too_many_lost(found, rows) == many


# --- the report ---


def test_what_remains_is_what_was_not_mended_and_not_only_noted() -> None:
    mended, failed, left = (Finding(ID, problem, "text", "publish") for problem in ("row", "shell", "torn"))
    notes = tuple(Finding(ID, problem, "text") for problem in NOTES)
    report = Report((mended, failed, left, *notes), {mended: "", failed: "no room"})
    assert report.remaining == (failed, left)


def test_a_finding_is_told_in_the_words_of_json() -> None:
    finding = Finding(INDEX, "index", "the index is missing", "rebuild_index")
    assert finding.to_json() == {
        "sessionId": "index",
        "problem": "index",
        "text": "the index is missing",
        "action": "rebuild_index",
        "lossy": False,
        "remedy": "",
    }
