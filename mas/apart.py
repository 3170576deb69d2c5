"""Another ``mas`` that works on the same session by itself, so that nobody waits for it."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mas import proc, tmux

if TYPE_CHECKING:
    from mas.app import Mas


def run(mas: "Mas", session_id: str, verb: str, *words: str) -> None:
    """Start ``mas VERB WORDS`` for the same root and server, in an environment that speaks of no session.

    What it prints is appended to the session's ``logs/session.log``.
    """
    logs = mas.root.session(session_id).logs
    log = logs / "session.log" if logs.is_dir() else Path(os.devnull)
    socket = {tmux.SOCKET_VARIABLE: mas.server.socket} if mas.server.socket else {}
    argv = [sys.executable, "-P", "-m", "mas", verb, "--root", str(mas.root.path), *words]
    proc.detach(argv, env=proc.foreign_environment(mas.environ) | socket, log=log)
