"""FourierNet is its envelope times its modulant."""

import torch

from cryofifa.model.fourier_net import FourierNet


def test_value_is_envelope_times_modulant():
    decoder = FourierNet(
        width=24,
        modulant_layers=2,
        envelope_layers=1,
        omega_modulant=40.0,
        omega_envelope=30.0,
        coordinate_scale=0.02,
    )
    point = torch.tensor([[1.0, -2.0, 0.5]])
    scaled = point * 0.02
    real, imaginary = (torch.exp(decoder.envelope(scaled)) * decoder.modulant(scaled))[0]
    torch.testing.assert_close(decoder(point)[0], torch.complex(real, imaginary))
