"""Which sessions may go because nobody used them for long. Pure.

Never one that is up or of which tmux cannot tell, one that is damaged, one that earlier programs run, or one whose work
somebody says is going on; everything else when its last change is old enough.
"""

from collections.abc import Iterable

from mas.clock import moment
from mas.lifecycle import RUNNING
from mas.views import View


def choose(views: Iterable[View], age: float, now: str) -> list[View]:
    """The sessions that were not touched for ``age`` seconds, oldest first."""
    found = [view for view in views if _may_go(view) and _seconds(view, now) >= age]
    return sorted(found, key=lambda view: view.last_activity or view.created_at)


def _may_go(view: View) -> bool:
    return bool(view.session_id and view.mode and view.status == "stopped" and not view.stale) and (
        view.lifecycle not in RUNNING
    )


def _seconds(view: View, now: str) -> float:
    """Seconds since the last change; a session that does not say when it was counts as new."""
    try:
        return (moment(now) - moment(view.last_activity or view.created_at)).total_seconds()
    except ValueError:
        return 0.0
