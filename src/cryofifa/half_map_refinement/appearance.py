"""What an image looks like, in some forty numbers that know no pose: by them junk can be told from particles.

power in rings      of the Fourier transform, inside the mask and around it: ice and edges are strong, noise is weak
radial profile      mean and variance of the low-passed image in annuli: a second particle, an aggregate, a fragment
asymmetry           the first and second angular harmonic, inside the particle and at its rim: edges, neighbours
extremes            highest and lowest value, and the skew

All lengths are in units of the particle's radius. Images are whitened and weighed by their CTFs, so that noise and
defocus make as little difference as may be.
"""

from __future__ import annotations

from functools import cached_property
from itertools import pairwise

import torch
from jaxtyping import Bool, Complex, Float
from torch import Tensor

from cryofifa.half_map_refinement.particle_frame import ParticleFrame
from cryofifa.particles.noise_spectrum import NoiseSpectrum
from cryofifa.physics.ctf import contrast_transfer
from cryofifa.physics.fourier import centred_index, fourier_2d, inverse_fourier_2d
from cryofifa.physics.mask import distance_from_centre

# All of these are our choice. Rings are in cycles per particle radius.
RINGS = (0.0, 0.65, 0.95, 1.3, 1.6, 1.9, 2.3, 2.9, 3.6, 4.5, 5.7, 7.2)
OUTER_RINGS = (0.0, 0.95, 1.6, 2.3)
LEAST_POINTS = 3  # of a ring; thinner ones are left out
LOW_PASS_CYCLES = 2.3  # of the picture, per particle radius
WIENER_CONSTANT = 0.3  # of the picture
ANNULI, ANNULI_TO = 10, 1.4  # of the picture, out to this many radii
HARMONICS = ((1, 0.2, 0.8), (1, 0.8, 1.4), (2, 0.2, 0.8), (2, 0.8, 1.4))  # order, from and to this many radii
TINY = 1e-6


class Appearance:
    """Measures what images look like.

    Args:
        frame: the particles.
        noise: the noise's spectrum.
    """

    def __init__(self, frame: ParticleFrame, noise: NoiseSpectrum) -> None:
        self.frame, self.noise = frame, noise
        plane = frame.plane
        frequency = plane.frequency_per_angstrom.norm(dim=-1)
        self._cycles = frequency * frame.size.radius_angstrom
        self._gain = noise.whitening_gain(frequency)
        self._low_pass = torch.exp(-((self._cycles / LOW_PASS_CYCLES) ** 4))
        device = plane.index_xy.device
        radius_pixel = frame.size.radius_angstrom / plane.pixel_size_angstrom
        self._radii = distance_from_centre(plane.box_size, 2, device) / radius_pixel
        self._inner = torch.sigmoid((frame.mask.radius_pixel / radius_pixel - self._radii) / 0.05)
        index = centred_index(plane.box_size, device).double()
        self._angle = torch.atan2(index[:, None], index[None, :])

    def of(self, rows: Tensor) -> Float[Tensor, "n features"]:
        """What the images of these 0-based rows look like."""
        plane = self.frame.plane
        image = self.frame.read_images(rows.cpu().numpy()).to(plane.index_xy.device)
        image = self.noise.whitened(image, plane.pixel_size_angstrom)
        ctf = contrast_transfer(self.frame.ctf_parameters[rows], plane.frequency_per_angstrom) * self._gain
        transform = plane.gather(fourier_2d(image))
        restored = transform * ctf / (ctf.square() + WIENER_CONSTANT) * self._low_pass
        picture = inverse_fourier_2d(plane.fill(restored))
        seen = [
            *self._ring_powers(image * self._inner, self._inner, RINGS),
            *self._ring_powers(image * self._outside, self._outside.float(), OUTER_RINGS),
            *self._profile(picture),
            *self._harmonics(picture),
            *self._extremes(picture),
        ]
        return torch.stack(seen, dim=1).double()

    @cached_property
    def _outside(self) -> Bool[Tensor, "y x"]:
        return self._inner < TINY

    def _ring_powers(
        self, image: Float[Tensor, "n y x"], mask: Float[Tensor, "y x"], edges: tuple[float, ...]
    ) -> list[Tensor]:
        power = self.frame.plane.gather(fourier_2d(image)).abs().square() / mask.square().sum().clamp_min(1)
        rings = [(self._cycles >= first) & (self._cycles < last) for first, last in pairwise(edges)]
        return [(power[:, ring].mean(dim=1) + TINY).log() for ring in rings if int(ring.sum()) >= LEAST_POINTS]

    def _profile(self, picture: Float[Tensor, "n y x"]) -> list[Tensor]:
        edges = torch.linspace(0, ANNULI_TO, ANNULI + 1).tolist()
        annuli = [picture[:, (self._radii >= first) & (self._radii < last)] for first, last in pairwise(edges)]
        return [
            number
            for values in annuli
            if values.shape[1] >= LEAST_POINTS
            for number in (values.mean(dim=1), (values.var(dim=1) + TINY).log())
        ]

    def _harmonics(self, picture: Float[Tensor, "n y x"]) -> list[Tensor]:
        def harmonic(order: int, first: float, last: float) -> Tensor:
            within = (self._radii >= first) & (self._radii < last)
            turning: Complex[Tensor, " pixels"] = torch.polar(torch.ones_like(self._angle), order * self._angle)[within]
            return (picture[:, within].to(turning.dtype) @ turning).abs() / max(1, len(turning))

        return [harmonic(*one) for one in HARMONICS]

    def _extremes(self, picture: Float[Tensor, "n y x"]) -> list[Tensor]:
        within = picture[:, self._inner > 0.5]
        skew = (within - within.mean(dim=1, keepdim=True)).pow(3).mean(dim=1)
        return [within.amax(dim=1), within.amin(dim=1), skew]
