"""What an agent is doing, from what can be seen of it."""

import pytest

from mas.agents import BLANK, LIKELY, NEVER, RESTING, SURE, Signs, classify, ready
from mas.definitions import Profile

AGENT = Profile("some", ("some",), waiting=r"May I\?", busy=r"esc stops", idle=r"^> $", ready=r"^> ")
QUIET = Profile("quiet", ("quiet",))
SHELL = Profile("shell", ("sh",), kind="shell")


@pytest.mark.parametrize(
    ("signs", "profile", "state", "evidence"),
    [
        (Signs(there=False), AGENT, "missing", "no pane"),
        (Signs(there=True, exit_code=3), AGENT, "exited(3)", "exit code 3"),
        (Signs(there=True, dead=True), AGENT, "exited", "dead"),
        (Signs(there=True, replaced=True), AGENT, "exited", "another program"),
        (Signs(there=True, screen="b", before="a"), AGENT, "running", "changing"),
        (Signs(there=True, screen="May I?", before="May I?"), AGENT, "waiting", "May I?"),
        (Signs(there=True, screen="done\n> ", before="done\n> "), AGENT, "idle", ">"),
        (Signs(there=True, screen="> \nesc stops", before="> \nesc stops"), AGENT, "running", "esc stops"),
        (Signs(there=True, screen="May I?\nesc stops"), AGENT, "waiting", "May I?"),
        (Signs(there=True, screen="> half a word"), AGENT, "idle", ">"),
        (Signs(there=True, screen="thinking", command="node"), AGENT, "running", "node"),
        (Signs(there=True, screen="hello", before="hello", keys=True), AGENT, "running", "starting"),
        (Signs(there=True, screen="hello", before="hello", keys=True, ready=True), AGENT, "idle", "reads keys"),
        (Signs(there=True, screen="hello\nMay I?", before="hello\nMay I?", keys=True), AGENT, "waiting", "May I?"),
        (Signs(there=True, screen="x"), QUIET, "running", "process runs"),
        (Signs(there=True, screen="x", before="x", keys=True), QUIET, "idle", "reads keys"),
        (Signs(there=True, screen="x", before="x", keys=True, worked=RESTING + 1), QUIET, "running", "computes"),
        (Signs(there=True, screen="x", before="x", keys=None), QUIET, "running", "process runs"),
        (Signs(there=True, command="bash"), SHELL, "idle", "bash"),
        (Signs(there=True, command="make"), SHELL, "running", "make"),
    ],
)
def test_the_signs_speak_for_a_state_and_say_why(signs: Signs, profile: Profile, state: str, evidence: str) -> None:
    doing = classify(signs, profile)
    assert str(doing) == state
    assert evidence in doing.evidence


@pytest.mark.parametrize(
    ("signs", "profile", "wanted"),
    [
        (Signs(there=False), AGENT, False),
        (Signs(there=True, exit_code=0, screen="> "), AGENT, False),
        (Signs(there=True, screen="starting"), AGENT, False),
        (Signs(there=True, screen="> "), AGENT, True),
        (Signs(there=True, screen="> 1. Yes\nMay I?"), AGENT, False),
        (Signs(there=True, screen="welcome", keys=True), QUIET, False),
        (Signs(there=True, screen="welcome", keys=True, rests=SURE), QUIET, True),
        (Signs(there=True, screen="welcome", rests=SURE), QUIET, False),
        (Signs(there=True, screen="welcome", rests=LIKELY), QUIET, True),
        (Signs(there=True, dead=True, screen="welcome", rests=NEVER), QUIET, False),
        (Signs(there=True, screen=" \n", rests=LIKELY), QUIET, False),
        (Signs(there=True, screen=" \n", rests=BLANK), QUIET, True),
        (Signs(there=True, screen=" \n", rests=BLANK, keys=True), QUIET, False),
        (Signs(there=True, screen=" \n", rests=NEVER, keys=True), QUIET, True),
        (Signs(there=True, screen=" \n", rests=BLANK, keys=None), QUIET, False),
    ],
)
def test_an_agent_reads_once_it_shows_so_or_its_screen_rests(signs: Signs, profile: Profile, wanted: bool) -> None:  # noqa: FBT001
    assert ready(signs, profile) is wanted
