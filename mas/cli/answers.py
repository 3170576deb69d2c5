"""What scripts call in loops: the version, paths, variables, the list. Both ways of parsing end here."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import mas
from mas import naming, render
from mas.cli.calls import Call
from mas.errors import UsageError

if TYPE_CHECKING:
    from mas.views import Listed, View

FORMATS = ("shell", "json", "dotenv")
"""How ``mas env`` may write its variables."""

PLACES = ("lib", "templates")
"""What ``mas path`` knows besides sessions and ``root``: directories that travel with mas."""


def version(call: Call, *, as_json: bool = False) -> int:
    """``mas version``."""
    if as_json:
        call.json({"name": "mas", "version": mas.__version__})
    else:
        call.out(f"mas version {mas.__version__}")
    return 0


def path(call: Call, name: str | None = None) -> int:
    """``mas path``: where a session works, or where something of mas is."""
    if name in PLACES:
        from mas.paths import shipped  # noqa: PLC0415

        call.out(str(shipped(name)))
    elif name == "root":
        call.out(str(call.root.path))
    else:
        call.out(_workspace(call, call.mas.resolve(name)))
    return 0


def _workspace(call: Call, session_id: str) -> str:
    row = call.mas.row(session_id)
    return str(row["workingDir"] if row else call.root.session(session_id).directory)


def env(call: Call, name: str | None = None, *, form: str = "shell") -> int:
    """``mas env``: what a shell needs to work in a session."""
    variables = call.mas.environment_of(call.mas.resolve(name))
    if form == "json":
        call.json(variables)
    else:
        call.out("\n".join(_assignments(variables, form)))
    return 0


def _assignments(variables: Mapping[str, str], form: str) -> Sequence[str]:
    if form == "shell":
        return [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    quoted = str.maketrans({"\\": "\\\\", '"': '\\"', "$": "\\$", "`": "\\`", "\n": "\\n", "\r": "\\r"})
    return [f'{name}="{value.translate(quoted)}"' for name, value in variables.items()]


def sessions(  # noqa: PLR0913  the options of the verb
    call: Call,
    *,
    everything: bool = False,
    active: bool = False,
    status: str | None = None,
    limit: int | None = None,
    as_json: bool = False,
    quiet: bool = False,
    names: bool = False,
) -> int:
    """``mas list``."""
    if limit is not None and limit < 1:
        raise UsageError(
            f"--limit is {limit}, expected a whole number of at least 1", hint="`mas list --all` shows all"
        )
    listed = call.mas.list(everything=everything, active=active, status=status, limit=limit)
    if listed.complaint:
        call.say(f"mas: tmux gave no answer, so what is shown is the last known: {listed.complaint}")
    if as_json:
        call.json(listed.to_json())
    elif names:
        _write(call, [name for view, shown in _shown(listed) for name in (view.label, shown) if name])
    elif quiet:
        _write(call, [view.session_id or view.tmux_name for view in listed.views])
    elif call.on_terminal:
        _show(call, listed)
    else:
        _write(call, render.tab_separated(_values(view) for view in listed.views))
    return 0


def _write(call: Call, lines: Sequence[str]) -> None:
    if lines:
        call.out("\n".join(lines))


def _shown(listed: "Listed") -> list[tuple["View", str]]:
    """Each session with what a person may type for it besides its label: as much of its id as tells it from the others.

    A team that nobody registered has its tmux name alone.
    """
    short = naming.beginnings(view.session_id for view in listed.views if view.session_id)
    return [(view, short.get(view.session_id, view.tmux_name)) for view in listed.views]


def _values(view: "View") -> tuple[str, ...]:
    agents = str(view.agent_count)
    name = view.session_id or "-"
    place = (view.tmux_name, view.working_dir, view.label, view.mode)
    return (name, view.status, view.lifecycle, agents, view.created_at, *place)


def _show(call: Call, listed: "Listed") -> None:
    if not listed.views:
        call.say(f"no sessions in {call.root.path}; `mas start --isolated` starts one")
        return
    columns = (
        render.Column("SESSION", least=8),
        render.Column("STATUS"),
        render.Column("LIFECYCLE", least=8),
        render.Column("AGENTS", right=True),
        render.Column("AGE", right=True),
        render.Column("MODE"),
        render.Column("TMUX", least=8),
    )
    rows = [_cells(view, short, listed.timestamp) for view, short in _shown(listed)]
    call.lines(render.table(columns, rows, call.width, colour=call.colour))
    call.lines(["", render.cut(render.one_line(_legend(listed, call.root.path)), call.width)])


def _cells(view: "View", short: str, now: str) -> tuple[str, ...]:
    return (
        view.label or (short if view.session_id else "-"),
        view.status + ("?" if view.stale else ""),
        view.lifecycle,
        str(view.agent_count or ""),
        render.ago(view.created_at, now),
        view.mode or "record",
        view.tmux_name + ("*" if view.attached else ""),
    )


def _legend(listed: "Listed", root: Path) -> str:
    live = sum(view.status == "active" for view in listed.views)
    shown = f"{len(listed.views)} of {listed.total}" if listed.total > len(listed.views) else str(listed.total)
    notes = [f"{shown} sessions, {live} active" if listed.total != 1 else f"1 session, {live} active"]
    if listed.total > len(listed.views):
        notes.append("--all shows the others")
    if any(view.attached for view in listed.views):
        notes.append("* somebody looks at it")
    if any(view.stale for view in listed.views):
        notes.append("? last known")
    return " · ".join([*notes, f"in {root}"])
