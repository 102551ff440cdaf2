"""Sine layers keep the distribution of their activations at the start (Sitzmann et al. 2020, theorem 1.8)."""

import pytest
import torch

from cryofifa.model.siren import SineLayer, siren


@pytest.mark.parametrize("omega", [5.0, 30.0, 40.0])
def test_activations_keep_the_arcsine_distribution_through_many_layers(omega):
    torch.manual_seed(0)
    layers = [SineLayer(3, 256, omega, first=True), *(SineLayer(256, 256, omega) for _ in range(5))]
    values = torch.rand(1000, 3) * 2 - 1
    with torch.no_grad():
        for number, layer in enumerate(layers):
            before = layer.omega * layer.linear(values)
            values = torch.sin(before)
            if number:
                # arcsine inputs (variance 1/2) give variance 1; the biases, uniform up to 1/sqrt(width), add theirs
                expected = 1 + omega**2 / (3 * 256)
                assert float(values.var()) == pytest.approx(0.5, abs=0.12), f"layer {number}"
                assert float(before.var()) == pytest.approx(expected, rel=0.35), f"layer {number}"
    torch.testing.assert_close(layers[0](torch.ones(2, 3)), torch.sin(omega * layers[0].linear(torch.ones(2, 3))))


def test_first_layer_spreads_unit_inputs_by_omega():
    torch.manual_seed(0)
    layer = SineLayer(3, 4000, 30.0, first=True)
    assert float(layer.linear.weight.detach().abs().max()) == pytest.approx(1 / 3, rel=0.01)


def test_siren_has_the_layers_asked_for_and_a_linear_output():
    network = siren(3, 16, 2, 5, 30.0)
    assert [type(layer).__name__ for layer in network] == ["SineLayer"] * 3 + ["Linear"]
    assert network(torch.zeros(7, 3)).shape == (7, 5)
    with torch.no_grad():
        network[-1].bias += 10  # nothing squeezes the output
    assert bool((network(torch.zeros(7, 3)) > 5).all())
