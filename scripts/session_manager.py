#!/usr/bin/env python3
"""The session manager as one file: its public names, and its command line.

    python3 session_manager.py create --feature-request "Add authentication"
    python3 session_manager.py get --session-id ID --output pretty
    python3 session_manager.py list [--branch BRANCH] [--limit 10]
    python3 session_manager.py transition --session-id ID --status planning
    python3 session_manager.py delete --session-id ID

It may be copied anywhere, ``.flow/maestro/scripts/`` for example, and needs no packages of its own: it finds the
environment of mas beside itself, by MAS_BIN, or by the ``mas`` on PATH.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from pathlib import Path


def _environments() -> list[Path]:
    """Environments that may hold mas: of this checkout, then of the ``mas`` that is installed."""
    programs = [Path(__file__).resolve().parent.parent / ".venv" / "bin" / "mas"]
    programs += [Path(found) for found in (os.environ.get("MAS_BIN"), shutil.which("mas")) if found]
    homes = [program.resolve().parent.parent for program in programs]
    return homes + [home / ".venv" for home in homes]  # scripts/mas of a checkout stands beside its environment


def _other_python() -> str:
    """The Python of an environment that holds mas, where this is one of another version; empty where there is none."""
    for home in _environments():
        python = home / "bin" / "python"
        if os.access(python, os.X_OK) and any(home.glob("lib/python*/site-packages/*mas*")):
            return str(python)
    return ""


def _hand_over(python: str) -> None:
    """Go on with that Python. Only as a program: whoever imports this is told to."""
    if python and __name__ == "__main__" and "mas" not in sys._xoptions:  # noqa: SLF001  once is enough
        os.execv(python, [python, "-X", "mas", __file__, *sys.argv[1:]])


def _find_mas() -> None:
    """Make ``import mas`` work, or end with one line that says what to type."""
    try:
        import mas  # noqa: PLC0415
    except ImportError:
        import site  # noqa: PLC0415  only needed where mas is somewhere else

        version = f"{sys.version_info[0]}.{sys.version_info[1]}"
        packages = [home / "lib" / f"python{version}" / "site-packages" for home in _environments()]
        for place in filter(Path.is_dir, packages):
            site.addsitedir(str(place))
        try:
            import mas  # noqa: F401, PLC0415
        except ImportError:
            python = _other_python()
            _hand_over(python)
            remedy = f"{python} {sys.argv[0]}" if python else "pipx install mas, or set MAS_BIN"
            sys.exit(f"session_manager: mas is not installed for Python {version}; type: {remedy}")


_find_mas()

from mas import (  # noqa: E402  found just above
    GitContext,
    PRDReference,
    Session,
    SessionConfiguration,
    SessionManager,
    SessionPhase,
    SessionStatistics,
    SessionStatus,
)
from mas.errors import MasError  # noqa: E402

__all__ = [
    "GitContext",
    "PRDReference",
    "Session",
    "SessionConfiguration",
    "SessionManager",
    "SessionPhase",
    "SessionStatistics",
    "SessionStatus",
]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="session_manager.py", description="Sessions of the repository you are in.")
    parser.add_argument("action", choices=["create", "get", "list", "transition", "delete"])
    parser.add_argument("--feature-request", help="what is to be built (create)")
    parser.add_argument("--session-id", help="which session (get, transition, delete)")
    parser.add_argument("--status", choices=[status.value for status in SessionStatus], help="where to (transition)")
    parser.add_argument("--branch", help="only sessions of this branch (list)")
    parser.add_argument("--limit", type=int, default=10, help="how many at most (list)")
    parser.add_argument("--output", choices=["json", "pretty"], default="json")
    return parser


def _needed(parser: argparse.ArgumentParser, options: argparse.Namespace, name: str) -> str:
    value = getattr(options, name)
    if not value:
        parser.error(f"--{name.replace('_', '-')} is required for {options.action}")
    return str(value)


def _answer(parser: argparse.ArgumentParser, options: argparse.Namespace) -> object:
    manager = SessionManager()
    if options.action == "create":
        return manager.create_session(_needed(parser, options, "feature_request")).to_dict()
    if options.action == "list":
        found = manager.query_sessions(branch=options.branch, limit=options.limit)
        return [session.to_dict() for session in found]
    session_id = _needed(parser, options, "session_id")
    if options.action == "get":
        return manager.get_session(session_id).to_dict()
    if options.action == "transition":
        return manager.transition_state(session_id, SessionStatus(_needed(parser, options, "status"))).to_dict()
    manager.delete_session(session_id)
    return {"deleted": session_id}


def main() -> int:
    """Answer one call; 0 done, 1 refused or failed, 2 for a call that is not understood."""
    parser = _parser()
    options = parser.parse_args()
    try:
        answer = _answer(parser, options)
    except MasError as error:
        print(f"session_manager: {error.message}" + (f"; {error.hint}" if error.hint else ""), file=sys.stderr)
        return 1
    print(json.dumps(answer, indent=2 if options.output == "pretty" else None))
    return 0


if __name__ == "__main__":
    sys.exit(main())
