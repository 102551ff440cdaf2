"""File permissions that count for root too."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def permissions_count() -> Iterator[None]:
    """For root too: this thread lays down CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH, by which it may do all."""
    if os.geteuid() != 0:
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header, sets = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    assert libc.capget(header, sets) == 0
    effective = sets[0]
    sets[0] = effective & ~(1 << 1) & ~(1 << 2)
    assert libc.capset(header, sets) == 0
    try:
        yield
    finally:
        sets[0] = effective
        assert libc.capset(header, sets) == 0
