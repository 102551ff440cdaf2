"""The encoder (paper, Fig. 1b): ResNet features -> two-layer SIREN -> parallel SIREN heads for rotation and shift."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cryofifa.model.siren import SineLayer
from cryofifa.physics.rotations import rotation_from_six_numbers


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions with a shortcut (He et al. 2016)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.shortcut = (
            nn.Identity()
            if inputs == outputs and stride == 1
            else nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
        )

    def forward(self, values: Tensor) -> Tensor:
        return torch.relu(self.body(values) + self.shortcut(values))


class PoseEncoder(nn.Module):
    """Two-channel image (particle, low-passed particle) -> rotation_volume_to_image and shift in angstrom."""

    def __init__(
        self,
        *,
        box_size: int,
        channels: int,
        stages: int,
        feature_width: int,
        omega: float,
        shift_scale_angstrom: float,
    ) -> None:
        super().__init__()
        widths = [channels * 2**stage for stage in range(stages)]
        blocks = [
            ResidualBlock(before, after, 1 if before == after else 2)
            for before, after in zip([channels, *widths], widths, strict=False)
        ]
        self.residual_network = nn.Sequential(
            nn.Conv2d(2, channels, 5, 1, 2, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.MaxPool2d(2),
            *blocks,
            # a fixed small grid of features, whatever the box: where a feature lies matters for the pose
            nn.AdaptiveAvgPool2d(min(4, max(1, box_size // 2**stages))),
            nn.Flatten(),
        )
        side = min(4, max(1, box_size // 2**stages))
        self.features = nn.Sequential(
            nn.Linear(widths[-1] * side * side, feature_width),
            nn.BatchNorm1d(feature_width),
            SineLayer(feature_width, feature_width, omega, first=True),
            SineLayer(feature_width, feature_width, omega),
        )
        self.rotation_head = nn.Sequential(SineLayer(feature_width, feature_width, omega), nn.Linear(feature_width, 6))
        self.translation_head = nn.Sequential(
            SineLayer(feature_width, feature_width, omega), nn.Linear(feature_width, 2)
        )
        final = self.translation_head[-1]
        assert isinstance(final, nn.Linear)
        # a fresh network believes that particles are centred
        nn.init.zeros_(final.weight)
        nn.init.zeros_(final.bias)
        self.shift_scale_angstrom = shift_scale_angstrom

    def forward(
        self, image: Float[Tensor, "copies 2 y x"]
    ) -> tuple[Float[Tensor, "copies 3 3"], Float[Tensor, "copies 2"]]:
        """R_E and T_E of the paper."""
        features = self.features(self.residual_network(image))
        rotation = rotation_from_six_numbers(self.rotation_head(features))
        return rotation, self.translation_head(features) * self.shift_scale_angstrom
