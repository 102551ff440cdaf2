"""Make glibc keep freed memory instead of returning it to the kernel; takes effect when this module is imported.

By default glibc returns every block over 32 MiB to the kernel when it is freed, and the kernel zeroes each page anew
when the next block is asked for. Measured: a product of tensors of 60 MiB takes 4 times as long as in memory that is
kept, and amortized mode 1.4 times (LOG.md). Blocks of more than `KEPT_BYTES` are returned as before.
"""

import contextlib
import ctypes

KEPT_BYTES = 2**30
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h


def keep_freed_memory() -> bool:
    """Make the allocator keep freed memory; returns whether that is possible, as it is with glibc only."""
    with contextlib.suppress(AttributeError, OSError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        return bool(mallopt(M_MMAP_THRESHOLD, KEPT_BYTES)) and bool(mallopt(M_TRIM_THRESHOLD, 2**31 - 1))
    return False


keep_freed_memory()
