"""What of a run's results its report shows: the examples beside their predictions, the inside of a mask."""

from pathlib import Path

import numpy as np
import torch

from cryofifa.half_map_refinement.half_maps import HalfMaps
from cryofifa.mrc_map import read_map
from cryofifa.particles.files.read import read_particles
from cryofifa.particles.files.star import read_poses_star
from cryofifa.particles.poses import Poses
from cryofifa.particles.preprocess import ParticleImages
from cryofifa.results.directional_fsc import DirectionalFsc
from cryofifa.results.gold_standard import MaskedFsc
from cryofifa.results.map_result import MapResult
from cryofifa.results.report.gather import EXAMPLES, map_part, particle_part
from cryofifa.results.verdict import Verdict, Word
from cryofifa_testkit.small_sets import simulated_particles


def correlations(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Of every image of one list with every one of the other."""
    a, b = (image.reshape(len(image), -1) for image in (a, b))
    return np.corrcoef(a, b)[: len(a), len(a) :]


def test_an_example_is_like_its_own_prediction_and_no_other(tmp_path: Path) -> None:
    """At the true poses of the true map, every particle is most like what is shown beside it."""
    star = simulated_particles(tmp_path, particles=30, box=32, pixel_size_angstrom=6.0)
    images = ParticleImages.of_table(read_particles(star), inverted=False)
    truth = star.parent / "truth"
    volume, _ = read_map(truth / "map.mrc")
    true = read_poses_star(truth / "poses.star")
    poses = Poses.found(true.rotation.float(), true.shift_angstrom.float(), score=torch.ones(30))
    part = particle_part(images, volume, poses)
    assert part.examples.shape == part.example_projections.shape == (EXAMPLES, 32, 32)
    alike = correlations(part.examples, part.example_projections)
    assert (alike.argmax(axis=1) == np.arange(EXAMPLES)).all()
    assert np.diag(alike).min() > 0.5
    poses.shift_angstrom = poses.shift_angstrom + 40.0
    elsewhere = particle_part(images, volume, poses)
    assert np.diag(correlations(elsewhere.examples, elsewhere.example_projections)).max() < 0.5


def result(size: int, mask: torch.Tensor, local: torch.Tensor | None, word: Word = "doubtful") -> MapResult:
    volume = torch.zeros(size, size, size)
    curves = MaskedFsc(*(torch.full((size // 2 + 1,), value) for value in (0.1, 0.2, 0.3, 0.4, 0.5)))
    return MapResult(
        maps=HalfMaps(volume, volume, (volume, volume), curves.unmasked, volume),
        mask=mask,
        curves=curves,
        directional=DirectionalFsc(np.eye(3), torch.linspace(1, 0, size // 2 + 1).repeat(3, 1), 2.5 * size),
        decoder_map=volume,
        pixel_size_angstrom=2.5,
        particle_radius_angstrom=5.0,
        sampling_compensation_factor=0.9,
        verdict=Verdict(word, (), (), seen_from_all_sides=True),
        resolution_fsc0143_angstrom=None,
        resolution_fsc05_angstrom=None,
        local_resolution_angstrom=local,
    )


def test_the_local_resolution_is_given_inside_the_mask_alone() -> None:
    mask = torch.zeros(4, 4, 4)
    mask[1:3, 1:3, 1:3] = 1.0
    part = map_part(result(4, mask, torch.full((4, 4, 4), 7.0)), 20.0).local_resolution
    assert part is not None
    np.testing.assert_array_equal(np.isfinite(part.angstrom), mask.numpy() == 1)
    assert part.quartiles_angstrom == (7.0, 7.0, 7.0)
    assert map_part(result(4, mask, None), 20.0).local_resolution is None


def test_the_corrected_curve_is_the_one_that_counts() -> None:
    one = result(8, torch.ones(8, 8, 8), None)
    part, curves = map_part(one, 20.0, "class 2"), one.curves
    assert next(iter(part.fsc_curves)) == "corrected"
    for name, curve in (("corrected", curves.corrected), ("masked", curves.masked), ("unmasked", curves.unmasked)):
        np.testing.assert_array_equal(part.fsc_curves[name], curve.numpy())
    np.testing.assert_array_equal(part.fsc_curves["random phases"], curves.randomised.numpy())
    assert (part.box_angstrom, part.nyquist_angstrom, part.name) == (20.0, 5.0, "class 2")


def test_resolutions_along_directions_are_given_only_where_one_is_given_at_all() -> None:
    """A straight line from 1 to 0 at Nyquist, 5 A, falls under 0.143 at 0.857 of it."""
    mask = torch.ones(8, 8, 8)
    directions = map_part(result(8, mask, None), 20.0).directions
    assert directions is not None
    np.testing.assert_allclose(np.array(directions.resolution_angstrom, dtype=float), 5 / 0.857, rtol=1e-3)
    withheld = map_part(result(8, mask, None, "not converged"), 20.0).directions
    assert withheld is not None
    assert withheld.resolution_angstrom == (None, None)
