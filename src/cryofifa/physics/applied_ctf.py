"""Images that were multiplied by their CTF, or by its sign, on the way to their stack; both are undone here.

    phase flipped     Y = sign(CTF) (CTF slice + noise)      X = sign(CTF) Y               exactly the image as recorded
    premultiplied     Y = CTF (CTF slice + noise)            X = sign(CTF) Y / max(|CTF|, LEAST E)

E is the CTF's envelope. X is the recorded image again, CTF slice + noise, and whatever holds for that one (its noise
spectrum, likelihood, back-projection, scores) holds for X. Only where |CTF| < LEAST E beyond the CTF's first maximum,
at a fifth of the frequencies, are signal and noise of X smaller: the CTF says 0.1 % too much of the signal's power.
Dividing further would raise what does not vanish at the CTF's zeros: rounding, and what leaks in where images were
multiplied before they were cut out of the micrograph (measured: LOG.md). Before the first maximum nothing leaks, and
all of the low frequencies are there.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from cryofifa.physics.ctf import CtfParameters, contrast_transfer, electron_wavelength_angstrom, envelope

LEAST, LEAST_AT_LOW_FREQUENCY = 0.3, 0.01  # of the envelope
SMALLEST_ENVELOPE = 1e-3  # below it nothing is left of an image


def without_flipped_phases(
    image: Float[Tensor, "n y x"], ctf: CtfParameters, frequency_per_angstrom: Float[Tensor, "y half_x 2"]
) -> Float[Tensor, "n y x"]:
    """Images as they were before their phases were flipped, by the module's first equation.

    ctf: optics of each image.
    frequency_per_angstrom: of the samples of torch's `rfft2` of the images.
    """
    points = frequency_per_angstrom.flatten(0, 1)
    return _filtered(image, torch.where(contrast_transfer(ctf, points) < 0, -1.0, 1.0))


def without_premultiplication(
    image: Float[Tensor, "n y x"], ctf: CtfParameters, frequency_per_angstrom: Float[Tensor, "y half_x 2"]
) -> Float[Tensor, "n y x"]:
    """Images as they were before they were multiplied by their CTF, by the module's second equation.

    Arguments as in `without_flipped_phases`.
    """
    points = frequency_per_angstrom.flatten(0, 1)
    transfer = contrast_transfer(ctf, points)
    # the first maximum lies where the phase pi lambda df s^2 of the mean defocus is a quarter turn
    mean_defocus = 0.5 * (ctf.defocus_u_angstrom + ctf.defocus_v_angstrom).abs()
    cycles = (electron_wavelength_angstrom(ctf.voltage_kilovolt) * mean_defocus)[:, None] * points.square().sum(-1)
    share = torch.where(cycles < 0.5, LEAST_AT_LOW_FREQUENCY, LEAST)
    least = share * envelope(ctf, points).abs().clamp_min(SMALLEST_ENVELOPE)
    return _filtered(image, torch.where(transfer < 0, -1.0, 1.0) / transfer.abs().maximum(least))


def _filtered(image: Float[Tensor, "n y x"], gain: Float[Tensor, "n points"]) -> Float[Tensor, "n y x"]:
    transform = torch.fft.rfft2(image)
    return torch.fft.irfft2(transform * gain.unflatten(1, transform.shape[1:]), s=image.shape[1:])
