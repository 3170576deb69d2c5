"""``config.json`` of a session: the team as it was asked for, with all that is needed to bring it up again."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mas import files, profiles, team
from mas.errors import DamagedError, NotFoundError
from mas.team import Team

if TYPE_CHECKING:
    from mas.app import Mas


def own_config(template: str, choice: profiles.Choice, chosen: Team) -> dict[str, Any]:
    """What ``config.json`` holds under ``mas``: all that is needed to bring the team up again."""
    return {"template": template, "profile": choice.profile.to_dict(), "team": chosen.to_dict()}


def stored_config(mas: "Mas", session_id: str) -> Mapping[str, Any]:
    """The ``config.json`` of a session, ``mas`` in it. Raises NotFoundError, DamagedError."""
    paths = mas.root.session(session_id)
    try:
        with files.directory(paths.directory) as fd:
            config = json.loads(files.read(fd, paths.config.name))
        return {**config, "mas": {**config["mas"]}}
    except FileNotFoundError:
        msg = f"session {session_id} has no team to bring up: its {paths.config.name} is missing"
        raise NotFoundError(msg, hint=f"bring {paths.config} back, or `mas rm {session_id}`") from None
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _damaged(session_id, error) from None


def stored_team(mas: "Mas", session_id: str) -> tuple[Team, profiles.Choice]:
    """The team and the agent program of a session, from its ``config.json``. Raises DamagedError, NotFoundError."""
    own = stored_config(mas, session_id)["mas"]
    try:
        return team.parse_team(own["team"]), profiles.Choice(profiles.from_dict(own["profile"]), "as it was started")
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(session_id, error) from None


def _damaged(session_id: str, error: Exception) -> DamagedError:
    msg = f"session {session_id}: config.json is damaged: {error}"
    return DamagedError(msg, hint="bring the file back, or start a new session")
