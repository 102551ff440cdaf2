"""Anisotropic magnification is taken out: particles of known shape and place come back where and as they are."""

import numpy as np
import pytest
import torch

from cryofifa.physics.magnification import shift_in_recorded_image, without_magnification

SIZE = 64
MATRICES = {
    "none": [[1.0, 0.0], [0.0, 1.0]],
    "a stretch along x": [[1.03, 0.0], [0.0, 1.0]],
    "a stretch and a shear": [[1.02, 0.013], [-0.006, 0.97]],
}


def gaussians(positions: np.ndarray, width: float, to_true: np.ndarray) -> torch.Tensor:
    """Round blobs at these places (x, y) from the centre, looked at through a linear map of the pixel grid.

    to_true: takes a pixel's place to the place in the image without distortion that it shows.
    """
    line = np.arange(SIZE) - SIZE // 2
    place = np.stack(np.meshgrid(line, line), axis=-1) @ to_true.T
    square = ((place[..., None, :] - positions) ** 2).sum(-1)
    return torch.from_numpy(np.exp(-square / (2 * width**2)).sum(-1)).float()


@pytest.mark.parametrize("name", MATRICES)
@pytest.mark.parametrize("size_parity", [0, 1])
def test_blobs_come_back_round_and_in_place(name: str, size_parity: int):
    """The transform at k being that of the true image at M k, the recorded image at r shows the true one at M^-T r."""
    matrix = np.array(MATRICES[name])
    positions = np.array([[14.0, -9.0], [-16.0, 3.0], [2.0, 20.0], [0.0, 0.0]])
    recorded = gaussians(positions, 2.0, np.linalg.inv(matrix).T)
    expected = gaussians(positions, 2.0, np.eye(2))
    if size_parity:
        recorded, expected = recorded[1:, 1:], expected[1:, 1:]  # 63 px with the centre at 31
    found = without_magnification(recorded[None], torch.from_numpy(matrix))[0]
    torch.testing.assert_close(found, expected, atol=2e-3, rtol=0)
    if name != "none":
        assert float((recorded - expected).abs().max()) > 0.1


def test_noise_stays_noise():
    image = torch.randn(20, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    found = without_magnification(image, torch.tensor([[1.02, 0.01], [0.01, 0.98]]))
    assert float(found.var()) == pytest.approx(1, abs=0.05)


def test_shifts_are_those_of_the_recorded_image():
    """A blob moved by -t in the true image lies where the recorded image is moved by what the file says."""
    matrix = torch.tensor([[1.1, 0.05], [-0.02, 0.93]])
    true_shift = torch.tensor([[12.0, -7.0]])
    found = shift_in_recorded_image(true_shift, matrix[None])[0].numpy()
    recorded = gaussians(-true_shift.numpy(), 1.5, np.linalg.inv(matrix.numpy()).T)
    line = np.arange(SIZE) - SIZE // 2
    weights = recorded.numpy() / recorded.numpy().sum()
    np.testing.assert_allclose([(weights * line).sum(), (weights * line[:, None]).sum()], -found, atol=1e-3)
