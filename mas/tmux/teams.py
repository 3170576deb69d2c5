"""Teams: built by one client, ended by an id that was checked, shown to whoever attaches."""

from mas import proc
from mas.errors import CapacityError, ExistsError, MasError, NotFoundError, RefusedError, UnknownStateError, shorten
from mas.launch import Launched, LaunchPlan, created, read, respawn_script, restamp, script
from mas.structs import replace
from mas.tmux.client import Server, ask, call, equals, listing, pane_target, session_target

LAUNCH_TIMEOUT = 30.0
"""Seconds a whole team may take: a machine under load builds 64 panes slowly."""


def launch(server: Server, plan: LaunchPlan, *, timeout: float = LAUNCH_TIMEOUT) -> Launched:
    """Build the whole team, or nothing.

    Raises NotFoundError for a directory that is missing, ExistsError where the name is taken, MasError with what tmux
    said where it refused, UnknownStateError where it gave no answer: what there is must then be asked for later.
    """
    for pane in plan.panes:
        if not pane.cwd.is_dir():
            raise NotFoundError(f"the directory of agent {pane.agent_id} does not exist: {shorten(str(pane.cwd))}")
    try:
        result = _run(server, script(plan), timeout)
    except (KeyboardInterrupt, SystemExit):
        undo(server, plan)
        raise
    try:
        return _settle(server, plan, result)
    except MasError:
        undo(server, plan)
        raise


def respawn(server: Server, plan: LaunchPlan, agent_id: str, pane_id: str) -> None:
    """Start an agent of a plan again in its pane, whatever runs there now.

    Raises NotFoundError where that pane is gone or somebody else's, MasError with what tmux said where it refused.
    """
    pane = next(pane for pane in plan.panes if pane.agent_id == agent_id)
    result = call(server, "source-file", "-", stdin=respawn_script(plan, pane, pane_target(pane_id)))
    if created(plan).rows(result.text):
        return
    if result.returncode:
        raise _refusal(plan, result)
    raise NotFoundError(f"the pane of agent {agent_id} is gone", hint="`mas agents` shows what there is")


def undo(server: Server, plan: LaunchPlan) -> None:
    """End what this very launch has built, and no other session of that name; where there is nothing, do nothing."""
    target = f"={plan.name}:"
    ask(server, "if-shell", "-F", "-t", target, equals("@mas_launch", plan.nonce), f"kill-session -t '{target}'")


def end(server: Server, tmux_id: str, session_id: str, *, name: str = "") -> None:
    """End a session; fine where it is gone already. Its processes may outlive it, see ``mas.processes``.

    A session that is not ours is named by an empty ``session_id`` and its full ``name``. Raises RefusedError where the
    tmux id belongs to another session, UnknownStateError where tmux does not say.
    """
    target = session_target(tmux_id)
    if not (session_id or name):
        raise RefusedError(f"tmux session {tmux_id} is not one of ours, it is ended only by its full name")
    agreed = equals("@mas_session", session_id)
    if name:
        agreed = f"#{{&&:{agreed},{equals('session_name', name)}}}"
    other = listing("session_id")
    told = f"display-message -p -t '{target}' '{other.format}'"
    answer = ask(server, "if-shell", "-F", "-t", target, agreed, f"kill-session -t '{target}'", told)
    if answer and [tmux_id] in other.rows(answer):
        msg = f"tmux session {tmux_id} is not that of {session_id or name}; it was left alone"
        raise RefusedError(msg, hint="`mas list` shows what runs")


def attach_argv(
    server: Server, tmux_id: str, *, window: str | None = None, pane: str | None = None, inside: bool = False
) -> list[str]:
    """The command that shows a session, for ``proc.become``; ``inside`` tmux the client switches to it.

    ``window`` is a window's name, ``pane`` a pane's id; what is named is selected first.
    """
    words, target = [*server.argv], session_target(tmux_id)
    if window is not None:
        words += ["select-window", "-t", f"{target}:={window}", ";"]
    if pane is not None:
        words += ["select-window", "-t", pane_target(pane), ";", "select-pane", "-t", pane, ";"]
    return [*words, "switch-client" if inside else "attach-session", "-t", target]


def _run(server: Server, text: bytes, timeout: float) -> proc.Result:
    return call(server, "start-server", ";", "source-file", "-", stdin=text, timeout=timeout)


def _settle(server: Server, plan: LaunchPlan, result: proc.Result) -> Launched:
    """Judge by what was printed at the end, not by the exit code: a hook of the user's may fail and change that."""
    launched = read(plan, result.text)
    if launched is None:
        raise _refusal(plan, result)
    agent = plan.panes[0].agent_id
    first = created(plan).rows(result.text)[0][0]
    if launched.panes[agent] == first:
        return launched
    # A hook put another pane into the first one's corner before it could be stamped.
    mended = _run(server, restamp(plan, launched.panes[agent], first), LAUNCH_TIMEOUT)
    if mended.returncode:
        raise _refusal(plan, mended)
    return replace(launched, panes={**launched.panes, agent: first})


def _refusal(plan: LaunchPlan, result: proc.Result) -> MasError:
    """What tmux said last is what stopped it; it prints some of its complaints to standard output."""
    said = result.stderr.decode("utf-8", "replace").strip() or result.text.strip()
    complaint = shorten(said.rpartition("\n")[2], 200)
    if said.endswith(f"duplicate session: {plan.name}"):
        msg = f"a tmux session {plan.name} exists already; it was left alone"
        return ExistsError(msg, hint=f"look at it: tmux attach -t {plan.name}")
    if not said or "server exited" in said or "lost server" in said:
        return UnknownStateError(f"tmux went away while it built {plan.name}: {complaint}", hint="mas doctor")
    msg = f"tmux could not build {plan.name}: {complaint}"
    if "fork failed" in said:  # what the system says it lacks is a terminal, a process or memory
        return CapacityError(msg, hint="stop a session that is not needed; `mas list` shows them")
    if "error creating" in said:
        return MasError(msg, hint="MAS_TMUX_SOCKET names a place where a socket can be made")
    return MasError(msg, hint="what was built of it is gone again; try it once more")
