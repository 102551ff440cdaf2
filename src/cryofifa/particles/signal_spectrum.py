"""The power spectra of the particles themselves, measured before the first step: where is information about poses?

Inside the particle's mask an image has signal and noise, around it noise alone (`noise_spectrum.py`). With whitened
images X, the mask M_R and Fourier rings k,

    signal(k) = mean |FT(M_R X) / box|^2  -  mean M_R^2              per Fourier point
    tau^2(k)  = signal(k) / mean (CTF / sqrt(N))^2(k)                the power of the particle's own slices
    information(k) = sum over rings up to k of  points * signal      what all points up to k can tell of an image

The last is the expected drop of -log likelihood from "no particle" to the particle in its true pose. Some 12 to 15 are
used up by choosing among all orientations and shifts, so where it is less no pose can be told from another. Measured
with true maps (LOG.md): at 8 two per cent of the particles are known within 20 degrees, at 15 to 20 half, at 35 nine
tenths. Junk and micelles add to it what is no information.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from cryofifa.particles.files.row_list import evenly_spread
from cryofifa.particles.noise_spectrum import NoiseSpectrum
from cryofifa.particles.observed import ImageMask, observed
from cryofifa.particles.outlier_weight import bounded_influence
from cryofifa.particles.preprocess import ParticleImages
from cryofifa.physics.fourier import HalfPlane

MOST_PARTICLES = 1000  # our choice
LEAST_SIGNAL = 0.02  # of the noise's power: rings in which no signal is seen may still have some; our choice
LEAST_TRANSFER = 1e-3  # of CTF^2 / N, so that a ring that the CTF lets nothing through of is not divided by zero


@dataclass(frozen=True)
class SignalSpectrum:
    """Spectra of the images' signal in rings of 0, 1, 2, ... cycles per extent.

    Attributes:
        extent_angstrom: the field of view in which they were measured.
        signal: power of the whitened, masked images over that of their noise, less that noise, per Fourier point of
            this field of view.
        slice_power: tau^2 in the same unit: the power of the particle's slices before the CTF.
        information: sum of the signal over all Fourier points of half a plane up to each ring.
    """

    extent_angstrom: float
    signal: tuple[float, ...]
    slice_power: tuple[float, ...]
    information: tuple[float, ...]

    def information_to(self, resolution_angstrom: float) -> float:
        """What the frequencies up to a resolution can tell of an image."""
        rings = np.arange(len(self.information))
        return float(np.interp(self.extent_angstrom / resolution_angstrom, rings, self.information))

    def resolution_of(self, information: float) -> float | None:
        """The coarsest resolution in angstrom up to which there is as much information; None where there never is."""
        reached = np.nonzero(np.array(self.information) >= information)[0]
        return self.extent_angstrom / max(1, int(reached[0])) if len(reached) else None

    def slice_power_in(self, extent_angstrom: float, shells: int) -> Float[Tensor, " shells"]:
        """tau^2 in shells of another field of view, whose Fourier points lie farther apart or nearer to each other."""
        rings = np.arange(len(self.slice_power))
        place = np.arange(shells) * self.extent_angstrom / extent_angstrom
        power = np.interp(place, rings, self.slice_power) * (self.extent_angstrom / extent_angstrom) ** 2
        return torch.from_numpy(power).float()


def signal_spectrum_from_json(values: dict) -> SignalSpectrum:
    """The spectrum of which `dataclasses.asdict` gave these values, as JSON has kept them."""
    curves = {name: tuple(values[name]) for name in ("signal", "slice_power", "information")}
    return SignalSpectrum(values["extent_angstrom"], **curves)


UNKNOWN_SIGNAL = SignalSpectrum(1.0, (1.0,), (1.0,), (0.0,))


def measure_signal(images: ParticleImages, rows: np.ndarray, mask: ImageMask, noise: NoiseSpectrum) -> SignalSpectrum:
    """Measure the signal inside the particle's mask, in at most 1,000 of these rows; bright junk is left out.

    Args:
        images: the particles.
        rows: 0-based rows that may be used.
        mask: the particle's mask, at full size.
        noise: the noise's spectrum.
    """
    some = rows[evenly_spread(len(rows), MOST_PARTICLES)]
    size, pixel_size, device = images.table.box_size, images.pixel_size_angstrom, images.device
    plane = HalfPlane.of_box(size, pixel_size, device=device)
    gain = noise.whitening_gain(plane.frequency_per_angstrom.norm(dim=-1))
    centred, optics = torch.zeros(1, 2, device=device), images.ctf_parameters().to(device)
    power, transfer, count = torch.zeros(len(plane), device=device), torch.zeros(len(plane), device=device), 0
    for block in images.blocks(some):
        image = noise.whitened(images.normalised(block), pixel_size)
        members = torch.from_numpy(block).to(device)
        seen = observed(image, optics[members], centred.expand(len(block), 2), mask, plane)
        each = seen.measured.abs().square()
        ordinary = bounded_influence(each.sum(dim=1)) == 1
        power += each[ordinary].sum(dim=0)
        transfer += (seen.ctf * gain)[ordinary].square().sum(dim=0)
        count += int(ordinary.sum())
    points = torch.bincount(plane.ring)
    noise_power = mask.at(centred, plane).square().mean()

    def ring_mean(total: Tensor) -> Tensor:
        return torch.bincount(plane.ring, weights=total) / points.clamp_min(1) / max(1, count)

    signal = (ring_mean(power) / noise_power - 1).clamp_min(LEAST_SIGNAL)
    signal[0] = signal[1]  # the plane has no origin
    slice_power = signal * noise_power / ring_mean(transfer).clamp_min(LEAST_TRANSFER)
    slice_power[0] = slice_power[1]
    # points inside a mask are not independent: as many as the mask's share of them are
    information = (points * signal.where(signal > LEAST_SIGNAL, 0) * noise_power).cumsum(dim=0)
    return SignalSpectrum(
        size * pixel_size, *(tuple(values.double().tolist()) for values in (signal, slice_power, information))
    )
