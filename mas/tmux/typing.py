"""Text into panes: guarded in the same client call that types it, so that it reaches the right agent or nobody.

Pasting into a dead pane ends the server of tmux 3.3a, and text for an agent that has ended would run in the shell
behind it. So the server itself checks pane, session and agent, and nothing can come between the check and the paste.
Enter is pasted too: as a key it would reach every pane of a window whose panes are synchronized.
"""

import os
from collections.abc import Mapping, Sequence

from mas.errors import MissingProgramError, UnknownStateError
from mas.structs import Frozen
from mas.tmux.client import REPLACED, Server, call, equals, is_absent, listing, number, pane_target
from mas.tmux.look import CROWD, ended

ENTER = b"\r"
"""What the key sends."""

_PANE = "PANE"

_FACTS = ("pane_id", "@mas_session", "@mas_agent", "pane_dead", "@mas_exit", REPLACED, "pane_input_off")


class Typed(Frozen):
    """How typing into one pane went. Neither ``done`` nor ``unknown`` means that nothing was typed, for ``reason``.

    ``ended`` says that no agent is there to read it, ``unknown`` that tmux gave no answer.
    """

    done: bool = False
    reason: str = ""
    ended: bool = False
    unknown: bool = False


def paste(server: Server, panes: Mapping[str, str], session_id: str, text: bytes) -> dict[str, Typed]:
    """Put a text into panes (agents by pane), each as one bracketed paste, byte for byte and without an Enter."""
    return _do(server, panes, session_id, _pasting(text, "-p -r"))


def press_keys(server: Server, panes: Mapping[str, str], session_id: str, text: bytes) -> dict[str, Typed]:
    """Type a text into panes (agents by pane) as keys, for menus, which read no pastes; without an Enter."""
    return _do(server, panes, session_id, _pasting(text, "-r"))


def press_enter(server: Server, panes: Mapping[str, str], session_id: str) -> dict[str, Typed]:
    """Press Enter in panes (agents by pane)."""
    return press_keys(server, panes, session_id, ENTER)


def mark_ready(server: Server, panes: Mapping[str, str], session_id: str) -> None:
    """Note on panes that their agents were seen to read; it is forgotten when a pane gets another program."""
    _do(server, panes, session_id, _Deed(f"set-option -p -t '{_PANE}' @mas_ready 1"))


class _Deed(Frozen):
    """What is done in each pane, where all is as it should be; ``first`` and ``last`` are done once."""

    command: str
    first: tuple[str, ...] = ()
    last: tuple[str, ...] = ("display-message", "-p", "")
    stdin: bytes = b""


def _pasting(text: bytes, flags: str) -> _Deed:
    buffer = f"mas-{os.urandom(8).hex()}"
    return _Deed(
        f"copy-mode -q -t '{_PANE}' ; paste-buffer {flags} -b {buffer} -t '{_PANE}'",
        ("load-buffer", "-b", buffer, "-", ";"),
        ("delete-buffer", "-b", buffer),
        text,
    )


def _do(server: Server, panes: Mapping[str, str], session_id: str, deed: _Deed) -> dict[str, Typed]:
    ids, typed = [*panes], dict[str, Typed]()
    for start in range(0, len(ids), CROWD):
        some = {pane: panes[pane] for pane in ids[start : start + CROWD]}
        try:
            typed |= _guarded(server, some, session_id, deed)
        except (MissingProgramError, UnknownStateError, OSError) as error:
            typed |= dict.fromkeys(some, Typed(reason=str(error), unknown=True))
    return typed


def _guarded(server: Server, panes: Mapping[str, str], session_id: str, deed: _Deed) -> dict[str, Typed]:
    """One client call. What it did is told pane by pane: where it broke off, nobody knows about those behind."""
    done, facts = listing("pane_id"), listing(*_FACTS)
    words = [*deed.first]
    for pane, agent_id in panes.items():
        does = f"{deed.command.replace(_PANE, pane)} ; display-message -p -t '{pane}' '{done.format}'"
        says = f"display-message -p -t '{pane}' '{facts.format}'"
        words += ["if-shell", "-F", "-t", pane_target(pane), _right(pane, agent_id, session_id), does, says, ";"]
    result = call(server, *words, *deed.last, stdin=deed.stdin)
    refused, typed = facts.rows(result.text), done.rows(result.text)
    untold = Typed(reason="its pane is gone", ended=True)
    if len(refused) + len(typed) < len(panes) and not is_absent(result):
        untold = Typed(reason=f"tmux broke off: {result.complaint or 'it said nothing'}", unknown=True)
    told = {row[0]: _refusal(row, session_id, panes) for row in refused if row[0] in panes}
    return dict.fromkeys(panes, untold) | told | {pane: Typed(done=True) for (pane,) in typed if pane in panes}


def _right(pane: str, agent_id: str, session_id: str) -> str:
    """The condition for typing: this very pane, ours, with its agent in it and nothing else, alive, taking input."""
    condition = equals("pane_id", pane)
    for field, value in (
        ("@mas_session", session_id),
        ("@mas_agent", agent_id),
        ("pane_dead", "0"),
        ("@mas_exit", ""),
        (REPLACED, "0"),
        ("pane_input_off", "0"),
    ):
        condition = f"#{{&&:{condition},{equals(field, value)}}}"
    return condition


def _refusal(row: Sequence[str], session_id: str, panes: Mapping[str, str]) -> Typed:
    pane, session, agent_id, dead, code, replaced, closed = row
    if (session, agent_id) != (session_id, panes[pane]):
        return Typed(reason="its pane belongs to somebody else")
    reason = ended(dead=dead == "1", exit_code=number(code) if code else None, replaced=replaced == "1")
    if reason:
        return Typed(reason=reason, ended=True)
    return Typed(reason="the input of its pane is switched off" if closed == "1" else "tmux refused it")


def reads_keys(tty: str) -> bool | None:
    """Whether a terminal hands over single keys (raw mode); None where that cannot be seen."""
    lines = reads_lines(tty)
    return None if lines is None else not lines


def reads_lines(tty: str) -> bool | None:
    """Whether a terminal hands over whole lines (canonical mode); None where that cannot be seen."""
    import termios  # noqa: PLC0415  only a very long line asks

    try:
        device = os.open(tty, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        return bool(termios.tcgetattr(device)[3] & termios.ICANON)
    except termios.error:
        return None
    finally:
        os.close(device)
