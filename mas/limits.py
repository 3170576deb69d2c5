"""How much more the system gives out: terminals, and files that a process may open. Reads ``/proc``."""

from pathlib import Path

_PROC = Path("/proc")


def free_terminals() -> int | None:
    """How many more pseudo-terminals the system gives out; None where it does not tell."""
    try:
        most, used = (int((_PROC / "sys/kernel/pty" / name).read_text()) for name in ("max", "nr"))
    except (OSError, ValueError):
        return None
    return most - used


def free_descriptors(pid: int) -> int | None:
    """How many more files a process may open; None where that cannot be seen."""
    directory = _PROC / str(pid)
    try:
        limits = (directory / "limits").read_text().splitlines()
        soft = next(line.split()[3] for line in limits if line.startswith("Max open files"))
        return int(soft) - sum(1 for _ in (directory / "fd").iterdir())
    except (OSError, ValueError, StopIteration):
        return None
