"""Particles whose poses stay as they are: centred, whitened transforms of their images, block by block.

Images are not masked: the volumes are, and a slice of a masked volume picks from the image what belongs to it, with all
that the CTF has spread beyond the particle's edge. A mask would cut that off, more of it at a higher defocus, which
looks like a component of variability where images are not noisy.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from jaxtyping import Complex, Float, Int
from torch import Tensor

from cryofifa.half_map_refinement.half_maps import block_on, in_blocks
from cryofifa.half_map_refinement.particle_frame import ParticleFrame
from cryofifa.particles.noise_spectrum import NoiseSpectrum
from cryofifa.particles.poses import Poses
from cryofifa.physics.ctf import contrast_transfer
from cryofifa.physics.fourier import HalfPlane, fourier_2d
from cryofifa.physics.shift import displacement_phase

BLOCK = 256  # particles at once; this bounds the memory and changes nothing else


@dataclass(frozen=True)
class CentredImages:
    """Some particles as a volume predicts them: measured = ctf * slice + white noise of variance 1 per Fourier point.

    Attributes:
        members: 0-based rows of the particles.
        measured: transforms of the images over the noise's standard deviation, the particle in the centre.
        ctf: contrast transfer functions over the same, in the scale in which CTF times a slice predicts the image.
        rotation: rotation_volume_to_image.
    """

    members: Int[Tensor, " m"]
    measured: Complex[Tensor, "m points"]
    ctf: Float[Tensor, "m points"]
    rotation: Float[Tensor, "m 3 3"]


@dataclass(frozen=True)
class FixedPoses:
    """The particles of a run with their poses, and the noise of their images.

    Attributes:
        frame: the particles' images and optics.
        poses: of all particles.
        noise: power spectrum of the images' noise.
    """

    frame: ParticleFrame
    poses: Poses
    noise: NoiseSpectrum

    def blocks(self, members: Int[Tensor, " m"], plane: HalfPlane) -> Iterator[CentredImages]:
        """The images of these particles at the points of `plane`, a block of particles at a time."""
        frequency = plane.frequency_per_angstrom
        gain = self.noise.whitening_gain(plane.radius / plane.extent_angstrom)
        for some in in_blocks(members, block_on(frequency.device, plane.box_size, BLOCK)):
            shift = self.poses.shift_angstrom[some]
            image = self.frame.read_images(some.cpu().numpy()).to(frequency.device)
            measured = plane.gather(fourier_2d(image)) / plane.box_size
            ctf = contrast_transfer(self.frame.ctf_parameters[some], frequency) / plane.box_size
            centred = measured * displacement_phase(shift, frequency).conj()
            yield CentredImages(some, centred * gain, ctf * gain, self.poses.rotation[some])
