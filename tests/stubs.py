"""Teams of stub agents: full-screen programs that write down what was submitted to them."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from roots import make_template

from mas import reach
from mas.app import Mas
from mas.planning import StartOptions

STUB = Path(__file__).with_name("stub_agent.py")
ASKS = r"May I\?"
Wait = Callable[..., None]


def command(*flags: str) -> list[str]:
    """The command line of a stub that writes what it got into ``received`` in its directory."""
    return [sys.executable, str(STUB), "received", *flags]


def start(
    mas: Mas,
    *flags: str,
    ids: Sequence[str] = ("10", "11"),
    config: Mapping[str, Any] | None = None,
    profile: str = "",
    program: str = "",
    **wanted: Any,
) -> str:
    """Start a team of stubs, or of another program; ``profile`` are more lines of their profile.

    A stub says that it reads by its prompt, unless the profile says something else.
    """
    if not (mas.root.path / "templates" / "stubs").exists():
        make_template(mas.root, "stubs", ids)
    words = json.dumps(program or command(*flags))
    if not program and "ready" not in profile:
        profile = f"ready = '^>'\n{profile}"
    (mas.root.path / "profiles.toml").write_text(
        f"[profile.stub]\ncommand = {words}\nwaiting = '{ASKS}'\n{profile.format(command=words)}\n"
    )
    options = StartOptions(template="stubs", config=config, agent="stub", **wanted)
    return mas.start(mas.plan(options)).session.session_id


def prompts(**texts: str) -> dict[str, Any]:
    """A configuration with first prompts, by agent: ``a10="begin"``."""
    workers = [{"id": name.removeprefix("a"), "prompt": text} for name, text in texts.items()]
    return {"units": [{"workers": workers}]}


def received(mas: Mas, session_id: str, agent_id: str) -> list[str]:
    """The texts that were submitted to an agent, in their order."""
    path = mas.root.session(session_id).unit / agent_id / "received"
    whole = path.read_text().rpartition("\n")[0] if path.exists() else ""
    return [json.loads(line) for line in whole.split("\n") if line]


def until_received(mas: Mas, session_id: str, agent_id: str, count: int, wait_until: Wait) -> list[str]:
    """Wait until an agent got so many texts; returns them."""
    wait_until(
        lambda: len(received(mas, session_id, agent_id)) >= count, timeout=60, what=f"{count} texts for {agent_id}"
    )
    return received(mas, session_id, agent_id)


def screen(mas: Mas, session_id: str, agent_id: str) -> str:
    """What an agent shows."""
    look = reach.reach(mas, session_id).look([agent_id]).get(agent_id)
    return look.screen if look else ""


def settled(mas: Mas, session_id: str, wait_until: Wait) -> None:
    """Wait until every agent shows its prompt."""
    found = reach.reach(mas, session_id)
    wait_until(
        lambda: found.panes and all(">" in look.screen for look in found.look(found.panes).values()),
        what="the prompts of the agents",
    )
