"""Freed memory is kept, so that a hot loop does not ask the kernel for the same pages again and again."""

import json
import subprocess
import sys

import pytest

from cryofifa.system.allocator import keep_freed_memory

# In a process of its own, whose heap nothing else has used. What is left over when a block is laid on its alignment
# goes to the thread's cache of small pieces, so that the next block does not fit where the last one was and the heap
# grows, until that cache has its seven pieces of one size: only then is every block laid where one was before.
FAULTS_PER_PAGE = """
import json, resource, torch
VALUES, WARM_UP, BLOCKS = 60 * 2**18, 20, 10  # 60 MiB, over glibc's own limit of 32

def faults_per_page():
    for block in range(WARM_UP + BLOCKS):
        if block == WARM_UP:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        torch.empty(VALUES).fill_(1.0)
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
    return faults / (BLOCKS * VALUES * 4 / resource.getpagesize())

as_glibc_does = faults_per_page()
import cryofifa
print(json.dumps([as_glibc_does, faults_per_page()]))
"""


@pytest.mark.glibc
def test_glibc_takes_the_setting() -> None:
    assert keep_freed_memory()


@pytest.mark.glibc
def test_large_blocks_are_not_faulted_in_anew() -> None:
    found = subprocess.run([sys.executable, "-c", FAULTS_PER_PAGE], capture_output=True, text=True, check=True)
    as_glibc_does, kept = json.loads(found.stdout)
    assert kept < 0.05 * as_glibc_does  # handed back, the pages are faulted in with every block
