"""The encoder gives proper rotations and shifts for any box, and both heads learn."""

import pytest
import torch

from cryofifa.model.pose_encoder import INPUTS, ImageFeatures, PoseEncoder, ResidualBlock


def encoder(box_size: int, stages: int = 3, heads: int = 1, *, half_precision: bool = False) -> PoseEncoder:
    torch.manual_seed(0)
    features = ImageFeatures(
        inputs=INPUTS,
        box_size=box_size,
        channels=4,
        stages=stages,
        feature_width=16,
        omega=5.0,
        half_precision=half_precision,
    )
    return PoseEncoder(features, heads=heads, shift_scale_angstrom=6.0)


def images(count: int, box: int) -> torch.Tensor:
    return torch.randn(count, 2, box, box, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("box", [16, 20, 24, 32, 48, 64])
@pytest.mark.parametrize(("stages", "heads"), [(2, 1), (3, 1), (3, 4)])
def test_rotations_are_proper_for_any_box(box, stages, heads):
    rotation, shift = encoder(box, stages, heads)(images(3, box))
    assert rotation.shape == (3, heads, 3, 3)
    torch.testing.assert_close(rotation @ rotation.mT, torch.eye(3).expand_as(rotation), atol=1e-5, rtol=0)
    torch.testing.assert_close(torch.linalg.det(rotation), torch.ones(3, heads))
    if heads > 1:
        assert bool(((rotation[:, 0] - rotation[:, 1]).abs() > 0.1).any())
    torch.testing.assert_close(shift, torch.zeros(3, 2))  # a fresh network believes that particles are centred


def test_different_images_give_different_rotations():
    rotation, _ = encoder(32)(images(8, 32))
    assert float(rotation.detach().std(dim=0).mean()) > 0.05


def test_both_heads_and_the_features_get_gradients_after_one_step():
    network = encoder(32)
    optimiser = torch.optim.Adam(network.parameters(), 1e-3)
    wish_rotation, wish_shift = torch.eye(3), torch.tensor([3.0, -4.0])
    for step in range(2):
        rotation, shift = network(images(8, 32))
        loss = (rotation - wish_rotation).square().mean() + (shift - wish_shift).square().mean() / 36
        optimiser.zero_grad()
        loss.backward()
        silent = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
        if step == 0:  # the translation head starts from zero weights: only its last layer learns at first
            assert all(name.startswith("translation_head.0") for name in silent), silent
        optimiser.step()
    assert not silent
    _, shift = network(images(8, 32))
    assert float(shift.abs().mean()) > 0


def test_a_few_steps_bring_the_shift_nearer():
    network = encoder(32)
    optimiser = torch.optim.Adam(network.parameters(), 1e-2)
    wish = torch.tensor([3.0, -4.0])
    for _ in range(40):
        _, shift = network(images(8, 32))
        loss = ((shift - wish) / network.shift_scale_angstrom).square().sum(-1).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert float((shift - wish).norm(dim=-1).mean()) < 2.5  # 5 at the start


def test_half_precision_rounds_what_full_precision_gives_and_keeps_parameters_in_full():
    full, half = encoder(32), encoder(32, half_precision=True)
    found, rounded = full(images(16, 32))[0], half(images(16, 32))[0]
    assert rounded.dtype == torch.float32
    off = (found - rounded).abs().mean()
    # numbers of 8 significant bits, through nine convolutions; different images differ by far more
    assert 0 < float(off) < 0.2 * float(found.std(dim=0).mean())
    (rounded[..., 0, 0].sum()).backward()
    assert all(parameter.dtype == torch.float32 for parameter in half.parameters())
    assert all(p.grad is None or p.grad.dtype == torch.float32 for p in half.parameters())


def test_residual_block_halves_the_side_with_its_stride():
    values = torch.randn(2, 4, 8, 8)
    assert ResidualBlock(4, 8, 2)(values).shape == (2, 8, 4, 4)
    assert ResidualBlock(4, 4, 1)(values).shape == values.shape
    assert bool((ResidualBlock(4, 4, 1)(values) >= 0).all())
