"""What an image says of its coordinates, held against scipy's normal distribution of the image itself."""

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from cryofifa.variability.latent import LatentTerms, as_pairs, latent_terms


def test_the_likelihood_is_that_of_a_normal_image():
    generator = torch.Generator().manual_seed(0)
    slices = torch.randn(1, 2, 6, dtype=torch.complex128, generator=generator)
    image = torch.randn(1, 6, dtype=torch.complex128, generator=generator)
    terms = latent_terms(as_pairs(slices), as_pairs(image))
    # y = S z + noise: real and imaginary part of the noise have variance 1/2 each
    columns, values = as_pairs(slices)[0].T.numpy(), as_pairs(image)[0].numpy()
    noise = 0.5 * np.eye(len(values))
    with_components = multivariate_normal(cov=noise + columns @ columns.T).logpdf(values)
    assert float(terms.log_likelihood()) == pytest.approx(
        with_components - multivariate_normal(cov=noise).logpdf(values), abs=1e-9
    )
    # and at given coordinates h.z - z.G z / 2 is the same difference
    z = np.array([0.7, -1.2])
    at_z = multivariate_normal(mean=columns @ z, cov=noise).logpdf(values)
    quadratic = terms.slope[0].numpy() @ z - z @ terms.curvature[0].numpy() @ z / 2
    assert quadratic == pytest.approx(at_z - multivariate_normal(cov=noise).logpdf(values), abs=1e-9)


def test_components_can_be_left_out():
    terms = LatentTerms(torch.arange(9.0).reshape(1, 3, 3), torch.arange(3.0)[None])
    some = terms.of_components([2, 0])
    assert some.slope.tolist() == [[2.0, 0.0]]
    assert some.curvature.tolist() == [[[8.0, 6.0], [2.0, 0.0]]]
