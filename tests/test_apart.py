"""Another program of ours that works by itself."""

import os
from collections.abc import Callable
from pathlib import Path

import roots

from mas import apart
from mas.app import Mas
from mas.paths import Root


def test_it_works_on_the_same_root_and_server_and_writes_to_the_sessions_log(
    root: Root, tmux_socket: Path, wait_until: Callable[..., None]
) -> None:
    del tmux_socket
    mas = Mas(root, dict(os.environ), Path.cwd())
    session_id = roots.start(mas, template="solo").session.session_id
    apart.run(mas, session_id, "show", session_id)
    log = root.session(session_id).logs / "session.log"
    wait_until(lambda: log.exists() and session_id in log.read_text(), timeout=30, what="what it prints")
