"""Freed memory is kept, so that a hot loop does not ask the kernel for the same pages again and again."""

import platform
import resource

import pytest
import torch

import cryofifa.system.allocator


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's allocator can be told")
def test_large_blocks_are_not_faulted_in_anew() -> None:
    assert cryofifa.system.allocator.keep_freed_memory()
    values = 60 * 2**18  # 60 MiB, over glibc's own limit of 32

    def faults_of(times: int) -> int:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(times):
            torch.empty(values).fill_(1.0)
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    pages = values * 4 // resource.getpagesize()
    # the heap may grow until a block fits; handed back, ten blocks would fault in every page ten times
    assert faults_of(10) < 5 * pages
