"""Rotated and mirrored copies of particles, each with its exact pose.

    rotate by a in the plane     pose -> Rz(a) A
    mirror in x                  pose -> diag(-1, 1, -1) A

so every copy k has one matrix G_k: pose of the copy = G_k A, shift of the copy = (G_k)_2x2 t, and a pose predicted
from the copy is brought back by G_k^T. No copy needs a CTF of its own: what is predicted from it is brought back to the
image before anything is scored.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from cryofifa.physics.rotations import in_plane_rotation, mirror_in_x
from cryofifa.settings.encoder import EncoderSettings
from cryofifa.train.random_draws import RandomDraws


@dataclass(frozen=True)
class Copies:
    """Which copies are made of a batch of n images, and the matrix G_k of each.

    Every image has base images: itself (fixed copies only), and itself turned by the angles in `turned_radian`, which
    takes interpolation. All else is exact: each base image is used as it is and mirrored, and by fixed copies both of
    them in each quarter turn.

    One row of the tensors below serves n / rows images in sequence: a single row serves all images (fixed copies), n
    rows serve one image each (random copies).

    Attributes:
        turned_radian: angles of the turned base images.
        quarters: quarter turns made of each base image: 4 for fixed copies, 1 (none) for random ones.
        copy_from_image: G_k of every copy, ordered by base image, then mirrored or not, then quarter turn.
    """

    turned_radian: Float[Tensor, "rows turned"]
    quarters: int
    copy_from_image: Float[Tensor, "rows copies 3 3"]

    @classmethod
    def fixed(cls, turns: int) -> Copies:
        """The same copies for all images: `turns` over the full circle (4 or 8), each also mirrored.

        Raises:
            ValueError: if `turns` is neither 4 (steps of 90 degrees) nor 8 (45 degrees).
        """
        if turns not in (4, 8):
            raise ValueError(f"fixed copies are 4 x 90 or 8 x 45 degrees, not {turns} turns")
        base_radian = torch.arange(turns // 4)[None] * (math.pi / 4)
        return cls(base_radian[:, 1:], 4, _copy_from_image(base_radian, 4))

    @classmethod
    def turned(cls, angle_radian: Float[Tensor, "rows turned"]) -> Copies:
        """Copies in which each image is turned by angles of its own, each copy also mirrored."""
        return cls(angle_radian, 1, _copy_from_image(angle_radian, 1))

    def to(self, device: torch.device) -> Copies:
        """The same copies with their tensors on a device."""
        return Copies(self.turned_radian.to(device), self.quarters, self.copy_from_image.to(device))

    def __len__(self) -> int:
        """How many copies each image has."""
        return self.copy_from_image.shape[1]

    def pose_of_copy(
        self, rotation: Float[Tensor, "n *picked 3 3"], copy: Int[Tensor, " n *picked"]
    ) -> Float[Tensor, "n *picked 3 3"]:
        """G_k A: the rotations of picked copies of images that have the rotations A."""
        return self._picked(copy) @ rotation

    def pose_of_image(
        self, rotation: Float[Tensor, "n *picked 3 3"], copy: Int[Tensor, " n *picked"]
    ) -> Float[Tensor, "n *picked 3 3"]:
        """G_k^T A: the rotations of the images, where A are those of picked copies."""
        return self._picked(copy).mT @ rotation

    def shift_of_copy(
        self, shift: Float[Tensor, "n *picked 2"], copy: Int[Tensor, " n *picked"]
    ) -> Float[Tensor, "n *picked 2"]:
        """The shifts (x, y) of picked copies of images that have these shifts."""
        return (self._picked(copy)[..., :2, :2] @ shift[..., None])[..., 0]

    def shift_of_image(
        self, shift: Float[Tensor, "n *picked 2"], copy: Int[Tensor, " n *picked"]
    ) -> Float[Tensor, "n *picked 2"]:
        """The shifts (x, y) of the images, where these are the shifts of picked copies."""
        return (self._picked(copy)[..., :2, :2].mT @ shift[..., None])[..., 0]

    def base_images(self, image: Float[Tensor, "n channels y x"]) -> Float[Tensor, "n bases channels y x"]:
        """The base images of every image: the only step that interpolates, done once per image."""
        bases = [image[:, None]] if self.quarters == 4 else []
        if self.turned_radian.shape[1]:
            bases.append(turned_images(image, self.turned_radian))
        return torch.cat(bases, dim=1)

    def of_base(
        self, base: Float[Tensor, "n bases channels y x"], copy: Int[Tensor, "n picked"]
    ) -> Float[Tensor, "n picked channels y x"]:
        """The picked copies of each image from its base images; exact, as pixels only change places."""
        row = torch.arange(len(base), device=base.device)[:, None]
        kinds = 2 * self.quarters  # of every base: as it is and mirrored, in each quarter turn
        source = _source_pixels(base.shape[-1], self.quarters, base.device)[copy % kinds]
        image = base[row, copy // kinds].flatten(-2)
        return image.gather(-1, source[:, :, None].expand_as(image)).unflatten(-1, base.shape[-2:])

    def _picked(self, copy: Int[Tensor, " n *picked"]) -> Float[Tensor, "n *picked 3 3"]:
        """The matrices G_k of the picked copies."""
        row = torch.arange(len(copy), device=copy.device) // (len(copy) // len(self.copy_from_image))
        return self.copy_from_image[row.reshape(-1, *[1] * (copy.ndim - 1)), copy]


def _copy_from_image(base_radian: Float[Tensor, "rows bases"], quarters: int) -> Float[Tensor, "rows copies 3 3"]:
    mirror = mirror_in_x(base_radian.device)
    mirrored_or_not = torch.stack([mirror @ mirror, mirror])
    # rounded, so that quarter turns are exact
    quarter = in_plane_rotation(torch.arange(quarters, device=base_radian.device) * (math.pi / 2)).round()
    matrix = quarter @ mirrored_or_not[:, None] @ in_plane_rotation(base_radian)[:, :, None, None]
    return matrix.flatten(1, 3)


@lru_cache(maxsize=8)
def _source_pixels(size: int, quarters: int, device: torch.device) -> Int[Tensor, "kinds pixels"]:
    """For each pixel of a quarter turn, of the image and then of its mirror image: which pixel it comes from."""
    pixel = torch.arange(size**2, device=device).reshape(size, size)
    kinds = [quarter_turn(image, quarter) for image in (pixel, mirror_image(pixel)) for quarter in range(quarters)]
    return torch.stack(kinds).flatten(1)


def mirror_image(image: Shaped[Tensor, "*batch y x"]) -> Shaped[Tensor, "*batch y x"]:
    """The image mirrored in x (x -> -x) about the origin N//2 of an even box."""
    return image.flip(-1).roll(1, -1)


def quarter_turn(image: Shaped[Tensor, "*batch y x"], quarters: int) -> Shaped[Tensor, "*batch y x"]:
    """The image rotated by quarters * 90 degrees about the origin N//2 of an even box, from +x to +y."""
    for _ in range(quarters):
        image = torch.rot90(image, -1, (-2, -1)).roll(1, -1)
    return image


def turned_images(
    image: Float[Tensor, "n channels y x"], angle_radian: Float[Tensor, "rows turned"]
) -> Float[Tensor, "n turned channels y x"]:
    """The images rotated about the origin N//2, from +x to +y, by cubic interpolation; outside the box they are zero.

    One row of angles serves n / rows images in sequence.
    """
    (n, channels, size, _), (rows, turned) = image.shape, angle_radian.shape
    line = torch.arange(size, device=image.device, dtype=image.dtype) - size // 2
    y, x = torch.meshgrid(line, line, indexing="ij")
    cosine, sine = angle_radian.cos()[..., None, None], angle_radian.sin()[..., None, None]
    # the value at r comes from R^T r
    source = torch.stack([cosine * x + sine * y, -sine * x + cosine * y], dim=-1)
    grid = ((source + size // 2) * (2 / (size - 1)) - 1).reshape(rows, turned * size, size, 2)
    # images of one row share its grid as if they were channels of one
    pixels = torch.nn.functional.grid_sample(
        image.reshape(rows, -1, size, size), grid, mode="bicubic", align_corners=True
    )
    return pixels.reshape(n, channels, turned, size, size).transpose(1, 2)


FIXED_TURNS = {"4x90": 4, "8x45": 8}


@dataclass(frozen=True)
class CopyChoice:
    """Which copies a run makes of its images; random ones depend on seed, epoch and particle alone.

    Attributes:
        fixed: the copies of every image; None where they are random.
        random_turns: number of random turns of each image, each also mirrored.
        seed: of all random numbers of the run.
    """

    fixed: Copies | None
    random_turns: int
    seed: int

    @classmethod
    def of_settings(cls, settings: EncoderSettings, seed: int, device: torch.device) -> CopyChoice:
        """The copies that the setting `augmentation` of [encoder] asks for."""
        turns = FIXED_TURNS.get(settings.augmentation)
        return cls(None if turns is None else Copies.fixed(turns).to(device), settings.random_turns, seed)

    def copies(self, particle: Int[Tensor, " n"], epoch: int) -> Copies:
        """The copies that are made of these particles' images in one epoch."""
        if self.fixed is not None:
            return self.fixed
        circle_share = RandomDraws(self.seed, "augmentation", epoch).uniform(particle, self.random_turns)
        return Copies.turned(2 * math.pi * circle_share)


@dataclass(frozen=True)
class CopiedImages:
    """Images as the encoder sees them, in every copy: interpolated once, while copies are made when asked for.

    Attributes:
        copies: which copies there are.
        base: base images of every image, two channels each.
    """

    copies: Copies
    base: Float[Tensor, "n bases 2 y x"]

    @classmethod
    def of_channels(cls, copies: Copies, channels: Float[Tensor, "n 2 y x"]) -> CopiedImages:
        """The copies of images that are given as the encoder's two channels."""
        return cls(copies, copies.base_images(channels))

    def images(self, copy: Int[Tensor, "n picked"]) -> Float[Tensor, "n picked 2 y x"]:
        """The picked copies of each image."""
        return self.copies.of_base(self.base, copy)
