"""Batch normalisation over processes against torch's own layer; one process is all of them here."""

import pytest
import torch
from torch import nn

from cryofifa.system.processes import ALONE
from cryofifa.train.batch_statistics import SharedBatchNorm


@pytest.mark.parametrize("shape", [(6, 4), (6, 4, 5, 5)])
def test_alone_it_is_torchs_layer(shape):
    own = nn.BatchNorm1d(4) if len(shape) == 2 else nn.BatchNorm2d(4)
    shared = SharedBatchNorm(own, ALONE)
    draw = torch.Generator().manual_seed(0)
    for _ in range(3):
        values = 3 * torch.randn(shape, generator=draw) + 5
        mine, theirs = values.clone().requires_grad_(), values.clone().requires_grad_()
        torch.testing.assert_close(shared(mine), own(theirs), atol=1e-5, rtol=1e-5)
        shared(mine).pow(3).sum().backward()
        own(theirs).pow(3).sum().backward()
        torch.testing.assert_close(mine.grad, theirs.grad, atol=1e-4, rtol=1e-4)
    for name, value in own.state_dict().items():
        torch.testing.assert_close(shared.state_dict()[name], value, atol=1e-5, rtol=1e-5)


def test_sums_of_16_bit_numbers_keep_their_digits():
    values = torch.randn(64, 1, 32, 32, generator=torch.Generator().manual_seed(0)).bfloat16() + 4
    shared = SharedBatchNorm(nn.BatchNorm2d(1), ALONE)
    found = shared(values).detach()
    assert found.dtype == torch.bfloat16
    # 65,536 numbers summed with 8 significant bits would stop growing at a few hundred
    assert float(found.float().mean().abs()) < 0.01
    assert float(found.float().std()) == pytest.approx(1, abs=0.01)
