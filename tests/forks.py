"""Forks of a process whose threads are measured: coverage has a lock that a forked child would find taken for ever.

Imported before anything else that registers what is to happen at a fork, so that the lock is taken last and given back
first.
"""

import os
import threading

from coverage import Coverage

_held: list[threading.Lock] = []


def _take() -> None:
    measuring = Coverage.current()
    lock = getattr(getattr(measuring, "_collector", None), "data_lock", None)
    if lock is not None:
        lock.acquire()
        _held.append(lock)


def _give_back() -> None:
    if _held:
        _held.pop().release()


os.register_at_fork(before=_take, after_in_parent=_give_back, after_in_child=_give_back)
