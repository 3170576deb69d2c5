"""Text into panes: guarded in the same client call that types it, so that it reaches the right agent or nobody.

Pasting into a dead pane ends the server of tmux 3.3a, and text for an agent that has ended would run in the shell behind
it. So the server itself checks pane, session and agent, and nothing can come between the check and the paste. Any number
of panes costs one call.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mas.errors import MissingProgramError, UnknownStateError
from mas.launch import Listing
from mas.tmux.client import Server, ask, call, equals, listing, pane_target

_FACTS = ("pane_id", "pane_dead", "@mas_exit", "@mas_session")


@dataclass(frozen=True, slots=True)
class Typed:
    """How typing into one pane went: done, or refused and why. ``ended`` where no agent is there to read it."""

    done: bool
    reason: str = ""
    ended: bool = False


def paste(server: Server, pane_ids: Sequence[str], session_id: str, text: bytes) -> Mapping[str, Typed]:
    """Put text into panes, each as one bracketed paste, byte for byte and without an Enter.

    Raises UnknownStateError where tmux gave no answer: then it may or may not have been typed.
    """
    buffer = f"mas-{listing().mark}"
    types = {pane: f"copy-mode -q -t '{pane}' ; paste-buffer -p -r -b {buffer} -t '{pane}'" for pane in pane_ids}
    load = ("load-buffer", "-b", buffer, "-", ";")
    return _guarded(server, types, session_id, load, ("delete-buffer", "-b", buffer), text)


def press_enter(server: Server, pane_ids: Sequence[str], session_id: str) -> Mapping[str, Typed]:
    """Press Enter in panes, guarded in the same way."""
    types = {pane: f"copy-mode -q -t '{pane}' ; send-keys -t '{pane}' Enter" for pane in pane_ids}
    return _guarded(server, types, session_id, (), ("display-message", "-p", ""))


def screens(server: Server, pane_ids: Sequence[str]) -> Mapping[str, str]:
    """What each of several panes shows, by one call; a pane that is gone is left out."""
    mark = listing().mark
    words: list[str] = []
    for pane in map(pane_target, pane_ids):
        shown = f"display-message -p -t '{pane}' '{mark}#{{pane_id}}' ; capture-pane -p -t '{pane}'"
        words += ["if-shell", "-F", "-t", pane, equals("pane_id", pane), shown, ";"]
    parts = (ask(server, *words[:-1]) or "").split(mark)[1:]
    return {pane: screen for pane, _, screen in (part.partition("\n") for part in parts)}


def tty_of(server: Server, pane_id: str) -> str:
    """The terminal device of a pane; empty where the pane is gone."""
    answer = ask(server, "display-message", "-p", "-t", pane_target(pane_id), "#{pane_id} #{pane_tty}")
    shown, _, tty = (answer or "").strip().partition(" ")
    return tty if shown == pane_id else ""


def _guarded(
    server: Server,
    types: Mapping[str, str],
    session_id: str,
    before: Sequence[str],
    after: Sequence[str],
    text: bytes = b"",
) -> Mapping[str, Typed]:
    """One client call: ``before``, for each pane its typing only if all is as it should be, ``after``."""
    done, facts = listing("pane_id"), listing(*_FACTS)
    right = f"#{{&&:{equals('@mas_session', session_id)},#{{&&:{equals('pane_dead', '0')},{equals('@mas_exit', '')}}}}}"
    words = [*before]
    for pane, typing in types.items():
        said = f"{typing} ; display-message -p -t '{pane}' '{done.format}'"
        words += ["if-shell", "-F", "-t", pane_target(pane), f"#{{&&:{equals('pane_id', pane)},{right}}}", said]
        words += [f"display-message -p -t '{pane}' '{facts.format}'", ";"]
    try:
        result = call(server, *words, *after, stdin=text)
    except (MissingProgramError, OSError) as error:
        raise UnknownStateError(f"tmux cannot be asked: {error}") from error
    typed = {pane for (pane,) in done.rows(result.text)}
    refused = _refused(facts, result.text, session_id)
    gone = Typed(done=False, reason="its pane is gone", ended=True)
    return {pane: Typed(done=True) if pane in typed else refused.get(pane, gone) for pane in types}


def _refused(facts: Listing, text: str, session_id: str) -> Mapping[str, Typed]:
    return {row[0]: _reason(row[1:], session_id) for row in facts.rows(text)}


def _reason(row: Iterable[str], session_id: str) -> Typed:
    dead, code, session = row
    if session != session_id:
        return Typed(done=False, reason="its pane belongs to another session")
    return Typed(done=False, reason=f"it has ended (exit {code})" if dead != "1" else "its pane is dead", ended=True)


def reads_lines(tty: str) -> bool:
    """Whether a terminal hands over whole lines (canonical mode); False where that cannot be seen."""
    import termios  # noqa: PLC0415  only a very long line asks

    try:
        device = os.open(tty, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        return bool(termios.tcgetattr(device)[3] & termios.ICANON)
    except termios.error:
        return False
    finally:
        os.close(device)
