"""The actions themselves, where a call of the doctor does not show all of them."""

import shutil
import subprocess
import sys
from pathlib import Path

import obstacles
import roots

from mas import doctor, mending
from mas.app import Mas
from mas.config import ExecutionMode, SessionConfig
from mas.inspection import Inspection
from mas.reconcile import Finding


def do(mas: Mas, action: str, session_id: str) -> str:
    return mending.carry_out(mas, Finding(session_id, "problem", "text", action))


def test_what_cannot_be_done_is_told(mas: Mas) -> None:
    session_id = roots.start(mas, team=False).session.session_id
    assert do(mas, "adopt_team", session_id) == "its team ended meanwhile"
    assert "Session not found" in do(mas, "publish", "no-such")


def test_a_removal_that_was_cut_off_does_not_take_the_row_of_a_session_that_is_there(mas: Mas) -> None:
    """The same id may have been given anew since."""
    started = roots.start(mas, team=False)
    session_id = started.session.session_id
    shutil.copytree(started.workspace, mas.root.trash / f"{session_id}.0")
    assert do(mas, "erase_discarded", session_id) == ""
    assert mas.row(session_id) is not None
    assert list(mas.root.trash.iterdir()) == []


def test_only_the_damaged_checkpoint_is_set_aside(mas: Mas) -> None:
    session_id = roots.start(mas, team=False).session.session_id
    for _ in range(2):
        mas.manager.save_checkpoint(session_id)
    paths = mas.root.session(session_id)
    damaged, whole = sorted(paths.checkpoints.iterdir())
    damaged.write_text("nonsense")
    assert do(mas, "set_checkpoint_aside", session_id) == ""
    assert list(paths.checkpoints.iterdir()) == [whole]
    assert (paths.quarantine / f"{damaged.name}.0").read_text() == "nonsense"


def test_what_is_no_file_in_place_of_a_checkpoint_is_named_and_left_alone(mas: Mas) -> None:
    """It is neither waited for nor followed, and keeps no damaged one from being set aside."""
    session_id = roots.start(mas, team=False).session.session_id
    paths = mas.root.session(session_id)
    for _ in range(2):
        mas.manager.save_checkpoint(session_id)
    for odd in obstacles.odd_things(paths.checkpoints, "5.json"):
        for damaged in ("3.json", "7.json"):
            (paths.checkpoints / damaged).write_text(odd)
        done = doctor.mend(mas)
        assert [(one.problem, one.text) for one in done.remaining] == [
            ("checkpoint", "checkpoint 5 is no regular file; the others hold")
        ]
        assert done.remaining[0].remedy == "mas follows no links; look at it and move it away"
        left = {path.name for path in paths.checkpoints.iterdir()}
        assert "5.json" in left
        assert not {"3.json", "7.json"} & left
    kept = [path.read_text() for path in paths.quarantine.iterdir()]
    assert {*kept} >= {"link", "pipe", "directory", "socket"}
    assert "secret" not in kept


def test_a_worktree_whose_making_was_cut_off_is_finished(mas: Mas, repo: Path) -> None:
    config = SessionConfig(repo, execution_mode=ExecutionMode("feature"))
    document = mas.manager.draft("x", config=config)
    session_id = mas.storage.create(document, document["created_at"]).document["session_id"]
    found = doctor.mend(mas, [session_id])
    assert ("half_made_worktree", "") in [(one.problem, how) for one, how in found.mended.items()]
    assert (mas.root.session(session_id).worktree / "README.md").exists()
    assert doctor.look(mas).findings == ()


def test_modes_are_narrowed_and_no_link_is_followed(mas: Mas, tmp_path: Path) -> None:
    started = roots.start(mas, team=False)
    outside = tmp_path / "outside"
    outside.touch(0o666)
    outside.chmod(0o666)
    config = started.workspace / "config.json"
    config.unlink()
    config.symlink_to(outside)
    for place in (started.workspace, started.workspace / "logs"):
        place.chmod(0o777)
    assert do(mas, "restrict", started.session.session_id) == ""
    for place in (started.workspace, started.workspace / "logs"):
        assert place.stat().st_mode & 0o777 == 0o700
    assert outside.stat().st_mode & 0o777 == 0o666


def test_what_was_taken_by_somebody_between_two_looks_is_left_to_him(mas: Mas) -> None:
    session_id = roots.start(mas, team=False).session.session_id
    mas.root.session(session_id).shell.unlink()
    view = Inspection(mas)
    found = list(view.plan(session_id))
    program = (
        "import sys, time; from pathlib import Path; from mas import files\n"
        "with files.lock(Path(sys.argv[1])): print('held', flush=True); time.sleep(100000)"
    )
    words = [sys.executable, "-P", "-c", program, str(mas.root.lock(session_id))]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        done = doctor._mend_one(view, found, lossy=False)
        holder.kill()
    assert {one.problem: how for one, how in done.items()} == {"shell": None, "busy": None}
