"""What the routes work with: the one ``Mas`` of this server, its threads, its feeds, its keys."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from fastapi import Request

from mas import attaching
from mas.api.config import ServeConfig
from mas.api.feed import Feeds
from mas.api.keys import Keys
from mas.api.refusals import HttpError
from mas.api.replies import Json
from mas.api.work import Work
from mas.app import Mas
from mas.attaching import Target
from mas.errors import AmbiguousError, NotFoundError
from mas.naming import PREFIX


@dataclass(frozen=True, slots=True)
class Here:
    """Everything of one server. What ``mas`` does blocks, and belongs into ``work``."""

    mas: Mas
    config: ServeConfig
    work: Work
    feeds: Feeds
    keys: Keys

    async def answer(self, call: Callable[[], Mapping[str, Any]], status: int = 200) -> Json:
        """What a blocking call says, as an answer; making JSON of much takes its time, so a thread does that too."""
        return await self.work.do(lambda: Json(call(), status))

    def resolve(self, name: str) -> str:
        """The id of the session that is named; raises HttpError where there is none. Blocks.

        Earlier servers gave ``tmux`` for the id of ``mas-tmux``; that is understood where nothing else is meant.
        """
        try:
            return self.mas.resolve(name)
        except AmbiguousError:
            raise
        except NotFoundError as error:
            with suppress(NotFoundError):
                return self.mas.resolve(f"{PREFIX}{name}")
            raise no_session(name, error) from error

    def meant(self, name: str) -> str | Target:
        """The same; or the tmux session of exactly that name that nobody has registered. Blocks."""
        if stray := attaching.find_stray(self.mas, name):
            return stray
        try:
            return self.resolve(name)
        except HttpError:
            if stray := attaching.find_stray(self.mas, f"{PREFIX}{name}"):
                return stray
            raise


def no_session(name: str, error: NotFoundError) -> HttpError:
    """The answer where a session is named that is not there."""
    details = {"sessionId": name[:128]}
    return HttpError(404, "not_found", "Session not found", hint=error.hint, details=details)


def here(request: Request) -> Here:
    """The server that a request reached."""
    found: Here = request.app.state.here
    return found
