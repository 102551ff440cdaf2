"""The encoder (paper, Fig. 1b): ResNet features -> two-layer SIREN -> parallel SIREN heads for rotation and shift."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cryofifa.model.siren import SineLayer
from cryofifa.physics.rotations import rotation_from_six_numbers

INPUTS = 2  # particle, low-passed particle


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


class ImageFeatures(nn.Module):
    """ResNet features of an image, then two sine layers.

    half_precision: convolutions multiply 16-bit numbers (bfloat16); parameters and all that follows keep 32 bits.
    """

    def __init__(
        self,
        *,
        inputs: int,
        box_size: int,
        channels: int,
        stages: int,
        feature_width: int,
        omega: float,
        half_precision: bool = False,
    ) -> None:
        super().__init__()
        self.feature_width, self.omega, self.half_precision = feature_width, omega, half_precision
        widths = [channels * 2**stage for stage in range(stages)]
        blocks = [
            ResidualBlock(before, after, 1 if before == after else 2)
            for before, after in zip([channels, *widths], widths, strict=False)
        ]
        # a fixed small grid of features, whatever the box: where a feature lies matters for the pose
        side = min(4, max(1, box_size // 2**stages))
        self.residual_network = nn.Sequential(
            nn.Conv2d(inputs, channels, 5, 1, 2, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.MaxPool2d(2),
            *blocks,
            nn.AdaptiveAvgPool2d(side),
            nn.Flatten(),
        )
        self.sine_layers = nn.Sequential(
            nn.Linear(widths[-1] * side * side, feature_width, bias=False),  # the normalisation takes any away
            nn.BatchNorm1d(feature_width),
            SineLayer(feature_width, feature_width, omega, first=True),
            SineLayer(feature_width, feature_width, omega),
        )

    def forward(self, image: Float[Tensor, "n inputs y x"]) -> Float[Tensor, "n features"]:
        with torch.autocast(image.device.type, torch.bfloat16, enabled=self.half_precision):
            features = self.residual_network(image)
        return self.sine_layers(features.float())


def sine_head(features: ImageFeatures, outputs: int, *, starts_at_zero: bool) -> nn.Sequential:
    """A sine layer and a linear output, which may be zero until something is learned."""
    width = features.feature_width
    sine, final = SineLayer(width, width, features.omega), nn.Linear(width, outputs)
    if starts_at_zero:
        nn.init.zeros_(final.weight)
        nn.init.zeros_(final.bias)
    return nn.Sequential(sine, final)


class PoseEncoder(nn.Module):
    """Two-channel image (particle, low-passed particle) -> rotation_volume_to_image and shift in angstrom.

    features: of INPUTS channels.
    heads: rotations predicted from one image, of which the best counts; the paper has one.
    """

    def __init__(self, features: ImageFeatures, *, heads: int, shift_scale_angstrom: float) -> None:
        super().__init__()
        self.features = features
        self.rotation_head = sine_head(features, 6 * heads, starts_at_zero=False)
        # a fresh network believes that particles are centred
        self.translation_head = sine_head(features, 2, starts_at_zero=True)
        self.shift_scale_angstrom = shift_scale_angstrom

    def forward(
        self, image: Float[Tensor, "copies 2 y x"]
    ) -> tuple[Float[Tensor, "copies heads 3 3"], Float[Tensor, "copies 2"]]:
        """R_E and T_E of the paper."""
        features = self.features(image)
        rotation = rotation_from_six_numbers(self.rotation_head(features).unflatten(1, (-1, 6)))
        return rotation, self.translation_head(features) * self.shift_scale_angstrom
