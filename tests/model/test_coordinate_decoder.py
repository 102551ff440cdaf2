"""A decoder that is a function of the coordinate has a real volume, exactly, and its sampled_volume is itself."""

import pytest
import torch

from cryofifa.model.coordinate_decoder import CoordinateDecoder, fold_to_half_space
from cryofifa.model.fourier_net import FourierNet
from cryofifa.model.hash_grid import HashGrid
from cryofifa.physics.central_slice import slice_coordinates
from cryofifa.physics.fourier import HalfPlane, fourier_3d
from cryofifa_testkit.known_volumes import random_rotations


def fourier_net() -> FourierNet:
    return FourierNet(
        width=24,
        modulant_layers=2,
        envelope_layers=1,
        omega_modulant=40.0,
        omega_envelope=30.0,
        coordinate_scale=0.02,
    )


def hash_grid() -> HashGrid:
    made = HashGrid(finest=4.0, levels=2, reach=4)
    for table in made.tables:
        torch.nn.init.normal_(table)  # as learned ones are: as large as the network's weights
    return made


@pytest.fixture(params=[fourier_net, hash_grid])
def decoder(request) -> CoordinateDecoder:
    torch.manual_seed(0)
    return request.param()


SPECIAL = torch.tensor(
    [
        [0.0, 2.0, -3.0],  # the plane x = 0
        [0.0, -1.5, 0.5],
        [0.0, 0.0, 4.0],  # the line x = y = 0
        [0.0, 0.0, -1.0],
        [1.0, 0.0, 0.0],
        [-2.0, 0.0, 3.0],
        [0.0, 3.0, 0.0],
        [-0.0, -0.0, 2.0],
    ]
)


def test_values_at_opposite_points_are_conjugate(decoder):
    coordinate = torch.cat([SPECIAL, torch.randn(200, 3, generator=torch.Generator().manual_seed(0)) * 5])
    there, back = decoder(coordinate), decoder(-coordinate)
    assert torch.equal(there, back.conj().resolve_conj())
    assert bool((there.imag != 0).all())


def test_value_at_the_origin_is_real(decoder):
    assert decoder(torch.zeros(1, 3)).imag.item() == 0
    assert decoder(-torch.zeros(1, 3)).imag.item() == 0
    assert decoder(torch.zeros(1, 3)).real.item() != 0


def test_fold_picks_one_of_each_pair():
    for points in (SPECIAL, torch.randn(100, 3)):
        one, turned_one = fold_to_half_space(points)
        other, turned_other = fold_to_half_space(-points)
        torch.testing.assert_close(one, other)
        assert bool((turned_one ^ turned_other).all())


def test_grid_equals_the_network_at_its_points_and_is_hermitian(decoder):
    size, spacing, radius = 12, 0.5, 2.2
    with torch.no_grad():
        grid = decoder.on_grid(size, spacing, radius)
        line = (torch.arange(size) - size // 2) * spacing
        z, y, x = torch.meshgrid(line, line, line, indexing="ij")
        coordinate = torch.stack([x, y, z], -1)
        expected = decoder(coordinate) * (coordinate.norm(dim=-1) <= radius)
    torch.testing.assert_close(grid, expected, atol=1e-6, rtol=1e-5)
    inner = grid[1:, 1:, 1:]
    torch.testing.assert_close(inner, inner.flip((0, 1, 2)).conj(), atol=0, rtol=0)


def test_sampled_volume_gives_nearly_the_exact_slices(decoder):
    plane, rotation = HalfPlane.of_box(24, 3.0, 8.0), random_rotations(10)
    exact, sampled = decoder.slices(rotation, plane).detach(), decoder.sampled(8.0).slices(rotation, plane)
    torch.testing.assert_close(exact, decoder(slice_coordinates(rotation, plane)).detach())
    coarse = decoder.slices(rotation.roll(1, 0), plane).detach()
    # beside the plane of the fold, where untrained imaginary parts jump, nothing can be interpolated
    off, wrong = ((exact - one).abs() > 0.05 * exact.abs().mean() for one in (sampled, coarse))
    assert float(off.float().mean()) < 0.05
    assert float(wrong.float().mean()) > 0.5


def test_sampled_volume_reaches_the_radius_on_every_axis(decoder):
    plane = HalfPlane.of_box(16, 3.0, 5.0)
    straight = torch.stack([torch.eye(3), torch.eye(3)[[1, 2, 0]], torch.eye(3)[[2, 0, 1]]])
    # grid points lie on the sampled volume: no interpolation
    torch.testing.assert_close(
        decoder.sampled(5.0).slices(straight, plane), decoder.slices(straight, plane).detach(), atol=1e-5, rtol=1e-4
    )


def test_volume_is_real_and_has_the_networks_transform(decoder):
    """The volume's own transform is the network's values, but for one constant."""
    box, radius = 16, 6.0
    volume = decoder.volume(box, radius)
    assert volume.dtype == torch.float32
    with torch.no_grad():
        grid = decoder.on_grid(box, 1.0, radius)
    whole = torch.fft.fftshift(torch.fft.ifftn(torch.fft.ifftshift(grid)))
    assert float(whole.imag.abs().max()) < 1e-6
    found = fourier_3d(volume)
    torch.testing.assert_close(found / found.abs().max(), grid / grid.abs().max(), atol=1e-4, rtol=1e-4)


def test_value_of_a_fourier_net_is_envelope_times_modulant():
    decoder = fourier_net()
    point = torch.tensor([[1.0, -2.0, 0.5]])
    scaled = point * 0.02
    real, imaginary = (torch.exp(decoder.envelope(scaled)) * decoder.modulant(scaled))[0]
    torch.testing.assert_close(decoder(point)[0], torch.complex(real, imaginary))


def test_learns_a_value_at_a_coordinate(decoder):
    optimiser = torch.optim.Adam(decoder.parameters(), 1e-3)
    point, wish = torch.tensor([[1.0, 2.0, -1.0], [-1.0, 0.0, 3.0]]), torch.tensor([1 + 2j, -0.5 + 0.3j])
    for _ in range(300):
        loss = (decoder(point) - wish).abs().square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert float(loss.detach()) < 0.05  # 3 at the start


def kept_bytes(decoder: CoordinateDecoder, points: int) -> int:
    """What autograd keeps of a computation, its parameters aside."""
    parameters, kept = {one.data_ptr() for one in decoder.parameters()}, {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.data_ptr() not in parameters:
            kept[tensor.data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        decoder(torch.randn(points, 3))
    return sum(tensor.nbytes for tensor in kept.values())


def test_parts_take_the_memory_they_are_given(decoder):
    given = 10_000_000
    decoder.fit_into(given)
    assert 0.4 * given < kept_bytes(decoder, decoder.points_at_once) < given


def test_slices_in_parts_are_the_same_and_so_are_their_gradients(decoder):
    plane = HalfPlane.of_box(16, 1.0, 6.0)
    found = []
    for points in (10**6, 50):
        decoder.points_at_once = points
        assert (points < 3 * 2 * len(plane)) == (points == 50)
        rotation = random_rotations(6).reshape(3, 2, 3, 3).requires_grad_()
        decoder.zero_grad()
        values = decoder.slices(rotation, plane)
        (values.abs().square().mean() + values.real.mean()).backward()
        found.append([values.detach(), rotation.grad, *(parameter.grad.clone() for parameter in decoder.parameters())])
    for whole, parts in zip(*found, strict=True):
        torch.testing.assert_close(parts, whole, rtol=1e-4, atol=1e-6)
    assert all(float(one.abs().max()) > 0 for one in found[0])
