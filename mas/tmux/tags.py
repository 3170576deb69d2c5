"""Stamping a session that somebody else has built, so that it is known as ours from then on; and taking that back."""

from collections.abc import Mapping

from mas.errors import RefusedError, UnknownStateError
from mas.launch import command
from mas.tmux.client import Server, call, equals, pane_target, session_target
from mas.tmux.sight import SeenSession, panes


def stamp(server: Server, seen: SeenSession, session_id: str, root: str, agents: Mapping[str, str]) -> None:
    """Stamp a session that nobody has stamped, and of its panes those that ``agents`` gives the id of an agent.

    Raises RefusedError where it is not what was seen any more, UnknownStateError where it cannot be seen that all is
    stamped; ``unstamp`` then takes back what there is of it.
    """
    target = session_target(seen.tmux_id)
    commands = [line for pane, agent_id in agents.items() for line in _pane(pane_target(pane), agent_id)]
    commands.append(command("set-option", "-t", target, "@mas_root", root))
    commands.append(command("set-option", "-t", target, "@mas_session", session_id))
    _run_where(server, seen, equals("@mas_session", ""), commands)
    found = {pane.pane_id: pane.agent_id for pane in panes(server, seen.tmux_id, session_id)}
    if not found:
        msg = f"tmux session {seen.name} is not what it was a moment ago; it was left alone"
        raise RefusedError(msg, hint="`mas list` shows what runs")
    if any(found.get(pane) != agent_id for pane, agent_id in agents.items()):
        raise UnknownStateError(f"the panes of tmux session {seen.name} are not stamped as they should be")


def unstamp(server: Server, seen: SeenSession, session_id: str) -> None:
    """Take back all that ``stamp`` has stamped for that session, or as much of it as there is.

    Raises UnknownStateError where something of it may still be there.
    """
    found = (*panes(server, seen.tmux_id, ""), *panes(server, seen.tmux_id, session_id))
    commands = [
        command("set-option", "-p", "-u", "-t", pane.pane_id, name)
        for pane in found
        for name in ("@mas_agent", "@mas_pid")
    ]
    target = session_target(seen.tmux_id)
    commands += [command("set-option", "-u", "-t", target, name) for name in ("@mas_root", "@mas_session")]
    ours = f"#{{||:{equals('@mas_session', '')},{equals('@mas_session', session_id)}}}"
    _run_where(server, seen, ours, commands)
    if panes(server, seen.tmux_id, session_id):
        raise UnknownStateError(f"the stamp of tmux session {seen.name} could not be taken back", hint="mas doctor")


def _pane(target: str, agent_id: str) -> tuple[bytes, ...]:
    return (
        command("set-option", "-p", "-t", target, "@mas_agent", agent_id),
        command("set-option", "-p", "-F", "-t", target, "@mas_pid", "#{pane_pid}"),
    )


def _run_where(server: Server, seen: SeenSession, condition: str, commands: list[bytes]) -> None:
    """Run commands in one client, as long as the session has the name it was seen with and the condition holds."""
    agreed = f"#{{&&:{condition},{equals('session_name', seen.name)}}}"
    begin = command("if-shell", "-F", "-t", seen.tmux_id, agreed)
    call(server, "source-file", "-", stdin=begin + b" { " + b" ; ".join(commands) + b" }\n")
