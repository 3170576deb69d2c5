"""What the system still gives out."""

import os

from mas import limits


def test_what_is_free_is_counted() -> None:
    terminals = limits.free_terminals()
    master, slave = os.openpty()
    assert terminals is not None
    before = limits.free_descriptors(os.getpid())
    os.close(master)
    os.close(slave)
    after = limits.free_descriptors(os.getpid())
    assert before is not None
    assert after == before + 2
    assert limits.free_descriptors(2**22 + 1) is None
