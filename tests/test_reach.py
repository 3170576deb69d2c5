"""A team as a sender sees it."""

import os
from pathlib import Path

import roots

from mas import reach
from mas.app import Mas
from mas.paths import Root


def test_each_agent_of_a_team_that_is_up_has_a_pane_of_ours(root: Root, tmux_socket: Path) -> None:
    del tmux_socket
    mas = Mas(root, dict(os.environ), Path.cwd())
    session_id = roots.start(mas, template="solo").session.session_id
    found = reach.reach(mas, session_id)
    assert set(found.panes) == set(found.team.ids)
    looks = found.look([*found.team.ids, "99"])
    assert set(looks) == set(found.team.ids)
