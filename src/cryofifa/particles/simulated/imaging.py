"""What differs from image to image: B factors, contrast, and the defocus, which the particle file knows with errors."""

from __future__ import annotations

import dataclasses

import numpy as np

from cryofifa.particles.simulated.simulated_set import SimulatedParameters
from cryofifa.settings.sample import ImagingSettings


def spread_in_imaging(
    drawn: SimulatedParameters, settings: ImagingSettings, generator: np.random.Generator
) -> SimulatedParameters:
    """The same set with these spreads.

    A particle's own height in the ice changes its true defocus. The particle file has the micrograph's, with the error
    of its fit, for all particles of the micrograph.
    """
    n, micrographs = len(drawn.micrograph), int(drawn.micrograph.max()) + 1
    b_factor = generator.uniform(settings.least_b_factor, settings.largest_b_factor, n)
    contrast = np.exp(settings.contrast_sd * generator.standard_normal(n))
    height = settings.height_sd_angstrom * generator.standard_normal(n)
    error = settings.defocus_error_sd_angstrom * generator.standard_normal(micrographs)[drawn.micrograph]
    astigmatism = settings.astigmatism_error_sd_angstrom * generator.standard_normal(micrographs)[drawn.micrograph]
    return dataclasses.replace(
        drawn,
        b_factor_square_angstrom=b_factor,
        contrast=contrast,
        defocus_u_angstrom=drawn.defocus_u_angstrom + height,
        defocus_v_angstrom=drawn.defocus_v_angstrom + height,
        defocus_u_error_angstrom=error + 0.5 * astigmatism - height,
        defocus_v_error_angstrom=error - 0.5 * astigmatism - height,
    )
