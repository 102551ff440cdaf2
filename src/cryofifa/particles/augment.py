"""Rotated and mirrored copies of a particle, each with its exact pose.

    rotate by a in the plane     pose -> Rz(a) A
    mirror in x                  pose -> diag(-1, 1, -1) A

so every copy k has one matrix G_k: pose of the copy = G_k A, shift of the copy = (G_k)_2x2 t, and a pose predicted
from the copy is brought back by G_k^T.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cryofifa.physics.rotations import in_plane_rotation, mirror_in_x


@dataclass(frozen=True)
class Copies:
    """Which copies are made: `turns` rotations over the full circle (4: 90 degrees, 8: 45 degrees), each also mirrored.

    copy_from_image: (2 turns, 3, 3), G_k. Order: per interpolated base image, mirrored or not, quarter turns.
    """

    turns: int
    copy_from_image: Float[Tensor, "copies 3 3"]

    @classmethod
    def fixed(cls, turns: int) -> Copies:
        if turns not in (4, 8):
            raise ValueError(f"fixed copies are 4 x 90 or 8 x 45 degrees, not {turns} turns")
        mirror = mirror_in_x()
        matrices = []
        for base in range(turns // 4):
            start = in_plane_rotation(torch.tensor(base * math.pi / 4))
            for mirrored in (False, True):
                for quarter in range(4):
                    turn = in_plane_rotation(torch.tensor(quarter * math.pi / 2))
                    matrices.append(turn @ mirror @ start if mirrored else turn @ start)
        return cls(turns, torch.stack(matrices).round(decimals=7))

    def to(self, device: torch.device) -> Copies:
        return Copies(self.turns, self.copy_from_image.to(device))

    def __len__(self) -> int:
        return self.copy_from_image.shape[0]

    def pose_of_copy(
        self, rotation: Float[Tensor, "*batch 3 3"], copy: Int[Tensor, "*batch"]
    ) -> Float[Tensor, "*batch 3 3"]:
        return self.copy_from_image[copy] @ rotation

    def pose_of_image(
        self, rotation: Float[Tensor, "*batch 3 3"], copy: Int[Tensor, "*batch"]
    ) -> Float[Tensor, "*batch 3 3"]:
        return self.copy_from_image[copy].mT @ rotation

    def shift_of_copy(self, shift: Float[Tensor, "*batch 2"], copy: Int[Tensor, "*batch"]) -> Float[Tensor, "*batch 2"]:
        return (self.copy_from_image[copy][..., :2, :2] @ shift[..., None])[..., 0]

    def shift_of_image(
        self, shift: Float[Tensor, "*batch 2"], copy: Int[Tensor, "*batch"]
    ) -> Float[Tensor, "*batch 2"]:
        return (self.copy_from_image[copy][..., :2, :2].mT @ shift[..., None])[..., 0]

    def base_images(self, image: Float[Tensor, "n channels y x"]) -> Float[Tensor, "n bases channels y x"]:
        """The only interpolated step, done once per particle: the image, and for 8 x 45 degrees also turned by 45."""
        bases = [image]
        if self.turns == 8:
            bases.append(rotate_image(image, math.pi / 4))
        return torch.stack(bases, dim=1)

    def of_base(
        self, base: Float[Tensor, "n bases channels y x"], copy: Int[Tensor, "n picked"]
    ) -> Float[Tensor, "n picked channels y x"]:
        """The picked copies of each particle; exact (no interpolation)."""
        picked = base.new_empty(*copy.shape, *base.shape[2:])
        for k in range(len(self)):
            particle, slot = (copy == k).nonzero(as_tuple=True)
            if len(particle):
                image = base[particle, k // 8]
                picked[particle, slot] = quarter_turn(mirror_image(image) if (k // 4) % 2 else image, k % 4)
        return picked


def mirror_image(image: Float[Tensor, "*batch y x"]) -> Float[Tensor, "*batch y x"]:
    """x -> -x about the origin N//2 of an even box."""
    return image.flip(-1).roll(1, -1)


def quarter_turn(image: Float[Tensor, "*batch y x"], quarters: int) -> Float[Tensor, "*batch y x"]:
    """Rotate by quarters * 90 degrees about the origin N//2 of an even box, from +x to +y."""
    for _ in range(quarters):
        image = torch.rot90(image, -1, (-2, -1)).roll(1, -1)
    return image


def rotate_image(image: Float[Tensor, "*batch y x"], angle_radian: float) -> Float[Tensor, "*batch y x"]:
    """Rotate about the origin N//2 from +x to +y by cubic interpolation; what comes from outside is zero."""
    size = image.shape[-1]
    line = torch.arange(size, device=image.device, dtype=image.dtype) - size // 2
    y, x = torch.meshgrid(line, line, indexing="ij")
    cosine, sine = math.cos(angle_radian), math.sin(angle_radian)
    # the value at r comes from R^T r
    source = torch.stack([cosine * x + sine * y, -sine * x + cosine * y], dim=-1)
    grid = (source + size // 2) * (2 / (size - 1)) - 1
    flat = image.reshape(1, -1, size, size)
    turned = torch.nn.functional.grid_sample(flat, grid[None], mode="bicubic", align_corners=True)
    return turned.reshape(image.shape)
