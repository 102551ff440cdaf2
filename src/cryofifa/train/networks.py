"""The networks that learn together: one encoder, a decoder for every class, and the optimiser of both (Adam, paper)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor, nn

from cryofifa.model.volume_decoder import VolumeDecoder
from cryofifa.physics.central_slice import FourierGrid
from cryofifa.physics.fourier import HalfPlane
from cryofifa.system.processes import Processes
from cryofifa.train.curriculum import Stage
from cryofifa.train.particle_pass import tensors_under

Encoder = TypeVar("Encoder", bound=nn.Module)


class Networks(Generic[Encoder]):
    """One encoder and one decoder per class, on one device, with their optimiser.

    Args:
        encoder: the network that predicts poses, or corrections of poses.
        decoders: the networks that hold the volumes, one per class.
        encoder_rate, decoder_rate: learning rates, which the stages of a curriculum multiply.
        device: where both are moved.
    """

    def __init__(
        self,
        encoder: Encoder,
        decoders: Sequence[VolumeDecoder],
        encoder_rate: float,
        decoder_rate: float,
        device: torch.device,
    ) -> None:
        self.encoder = encoder.to(device)
        self.decoders = nn.ModuleList([decoder.to(device) for decoder in decoders])
        self._encoder_rate, self._decoder_rate = encoder_rate, decoder_rate
        self.optimiser = torch.optim.Adam(
            [
                {"params": self.encoder.parameters(), "lr": encoder_rate},
                {"params": self.decoders.parameters(), "lr": decoder_rate},
            ],
            fused=True,
            capturable=device.type == "cuda",
        )

    @property
    def classes(self) -> int:
        """How many structures are learned, each by a decoder of its own."""
        return len(self.decoders)

    def decoder(self, class_index: int = 0) -> VolumeDecoder:
        """The decoder of one class, counted from 0."""
        found = self.decoders[class_index]
        assert isinstance(found, VolumeDecoder)
        return found

    def sampled(self, radius: float, symmetry: Float[Tensor, "members 3 3"], processes: Processes) -> list[FourierGrid]:
        """Every class's decoder sampled on a Fourier grid, made exactly symmetric.

        Args:
            radius: how far the grid reaches, in Fourier pixels.
            symmetry: rotations of the point group's members.
            processes: those that share the sampling; all get the whole grid.
        """
        return [
            self.decoder(index).sampled(radius, processes.map_sharded).symmetrised(symmetry)
            for index in range(self.classes)
        ]

    def slices(
        self, rotation: Float[Tensor, "n 3 3"], class_index: Int[Tensor, " n"] | None, plane: HalfPlane
    ) -> Complex[Tensor, "n points"]:
        """The slice of each particle's class at its rotation, with gradient, at the points of `plane`.

        Args:
            rotation: rotation_volume_to_image of each particle.
            class_index: the class of each particle, from 0; None where there is one class only.
            plane: the Fourier points.
        """
        if class_index is None:
            return self.decoder().slices(rotation, plane)
        every = torch.stack([self.decoder(index).slices(rotation, plane) for index in range(self.classes)])
        return every[class_index, torch.arange(len(rotation), device=rotation.device)]

    def learn(self, loss: Float[Tensor, ""], stage: Stage, processes: Processes) -> None:
        """Make one step of the optimiser at the stage's learning rates.

        Args:
            loss: this process's share of the minibatch's loss; gradients are summed over the processes.
            stage: what the learning rates are multiplied by.
            processes: all of them must call at the same time.
        """
        encoder_group, decoder_group = self.optimiser.param_groups
        encoder_group["lr"] = self._encoder_rate * stage.encoder_rate
        decoder_group["lr"] = self._decoder_rate * stage.decoder_rate
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        processes.all_reduce_gradients(p for group in self.optimiser.param_groups for p in group["params"])
        self.optimiser.step()

    def state(self) -> dict[str, Tensor]:
        """The weights of all networks and the optimiser's moments, by name."""
        tensors = {f"encoder.{name}": value for name, value in self.encoder.state_dict().items()}
        tensors |= {f"decoder.{name}": value for name, value in self.decoders.state_dict().items()}
        for index, slots in self.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{index}.{name}": value for name, value in slots.items()}
        return tensors

    def load_state(self, tensors: dict[str, Tensor]) -> None:
        """Restore the weights and moments that `state` gave."""
        self.load_weights(tensors)
        slots: dict[int, dict[str, Tensor]] = {}
        for name, value in tensors_under(tensors, "optimiser.").items():
            index, slot = name.split(".")
            slots.setdefault(int(index), {})[slot] = value
        self.optimiser.load_state_dict({**self.optimiser.state_dict(), "state": slots})

    def load_weights(self, tensors: dict[str, Tensor]) -> None:
        """Restore the weights alone from what `state` gave, to use the networks without further learning."""
        self.encoder.load_state_dict(tensors_under(tensors, "encoder."))
        self.decoders.load_state_dict(tensors_under(tensors, "decoder."))
