"""Batch normalisation with the mean and variance of all processes' particles; torch's SyncBatchNorm needs GPUs."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from cryofifa.system.processes import Processes

Network = TypeVar("Network", bound=nn.Module)


def with_shared_statistics(network: Network, processes: Processes) -> Network:
    """Replace every batch normalisation of the network, in place, by one that all processes compute together.

    Of a single process the network stays as it is. The names of the network's state do not change, so a checkpoint fits
    either way.
    """
    if processes.alone:
        return network
    for part in list(network.modules()):
        for name, child in part.named_children():
            if isinstance(child, _BatchNorm):
                setattr(part, name, SharedBatchNorm(child, processes))
    return network


class SharedBatchNorm(_BatchNorm):
    """A batch normalisation whose mean and variance while training are those of all processes' particles together.

    Args:
        layer: the batch normalisation whose weights and running statistics it takes over.
        processes: the processes whose particles count; each must call the layer at the same time.
    """

    def __init__(self, layer: _BatchNorm, processes: Processes) -> None:
        super().__init__(layer.num_features, layer.eps, layer.momentum)
        self.processes = processes
        self.load_state_dict(layer.state_dict())

    def forward(self, input: Tensor) -> Tensor:
        """Normalise `input`, whose second axis holds the channels; outside of training by the running statistics."""
        if not self.training:
            return super().forward(input)
        return self._with_batch_statistics(input.float()).to(input.dtype)  # sums of 16 bits would lose digits

    def _with_batch_statistics(self, input: Tensor) -> Tensor:
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        shape = [1, -1, *[1] * (input.dim() - 2)]
        others = [axis for axis in range(input.dim()) if axis != 1]
        # about the running mean, which all processes have alike: a variance of large numbers would lose its digits
        centre = self.running_mean.clone()
        centred = input - centre.view(shape)
        count = centred.new_tensor([centred.numel() / self.num_features])
        sums = self.processes.all_reduce(torch.cat([centred.sum(others), centred.square().sum(others), count]))
        mean, square, count = sums.split([self.num_features, self.num_features, 1])
        mean, count = mean / count, count.detach()
        variance = (square / count - mean.square()).clamp_min(0)
        with torch.no_grad():
            self.num_batches_tracked += 1
            self.running_mean.lerp_(centre + mean, self.momentum)
            self.running_var.lerp_(variance * count / (count - 1).clamp_min(1), self.momentum)
        scale = self.weight * (variance + self.eps).rsqrt()
        return (centred - mean.view(shape)) * scale.view(shape) + self.bias.view(shape)

    def _check_input_dim(self, input: Tensor) -> None:
        """Any number of axes will do."""
