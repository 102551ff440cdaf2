"""The encoder (paper, Fig. 1b): ResNet features -> two-layer SIREN -> parallel SIREN heads for rotation and shift."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cryofifa.model.siren import SineLayer
from cryofifa.physics.rotations import rotation_from_six_numbers

INPUTS = 2  # particle, low-passed particle


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions with a shortcut (He et al. 2016).

    inputs, outputs: channels.
    stride: 2 halves the image.
    """

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
        """Features after the block, (n, outputs, y / stride, x / stride)."""
        return torch.relu(self.body(values) + self.shortcut(values))


class ImageFeatures(nn.Module):
    """The first part of an encoder: ResNet features of an image, then two sine layers.

    inputs: channels of the image.
    box_size: side of the image in pixels.
    channels, stages: channels of the first stage of the ResNet, doubled in every further one, and number of stages.
    feature_width: how many numbers come out.
    omega: frequency of the sine layers.
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
        # pooled to a small grid, not to one point: where a feature lies matters for the pose
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
            nn.Linear(widths[-1] * side * side, feature_width, bias=False),  # the normalisation would remove a bias
            nn.BatchNorm1d(feature_width),
            SineLayer(feature_width, feature_width, omega, first=True),
            SineLayer(feature_width, feature_width, omega),
        )

    def forward(self, image: Float[Tensor, "n inputs y x"]) -> Float[Tensor, "n features"]:
        """The features of every image, (n, feature_width), in 32-bit numbers."""
        with torch.autocast(image.device.type, torch.bfloat16, enabled=self.half_precision):
            features = self.residual_network(image)
        return self.sine_layers(features.float())


def sine_head(features: ImageFeatures, outputs: int, *, starts_at_zero: bool) -> nn.Sequential:
    """A sine layer and a linear layer that turn features into `outputs` numbers.

    starts_at_zero: the output is 0 until something is learned.
    """
    width = features.feature_width
    sine, final = SineLayer(width, width, features.omega), nn.Linear(width, outputs)
    if starts_at_zero:
        nn.init.zeros_(final.weight)
        nn.init.zeros_(final.bias)
    return nn.Sequential(sine, final)


class PoseEncoder(nn.Module):
    """The encoder: from a particle image to its rotation_volume_to_image and its shift in angstrom.

    features: of images with INPUTS channels.
    heads: number of rotations predicted from one image, of which the best counts; the paper has one.
    shift_scale_angstrom: shift that an output of 1 stands for.
    """

    def __init__(self, features: ImageFeatures, *, heads: int, shift_scale_angstrom: float) -> None:
        super().__init__()
        self.features = features
        self.rotation_head = sine_head(features, 6 * heads, starts_at_zero=False)
        # an untrained network predicts centred particles
        self.translation_head = sine_head(features, 2, starts_at_zero=True)
        self.shift_scale_angstrom = shift_scale_angstrom

    def forward(
        self, image: Float[Tensor, "copies 2 y x"]
    ) -> tuple[Float[Tensor, "copies heads 3 3"], Float[Tensor, "copies 2"]]:
        """The rotations R_E (one per head) and the shift T_E (x, y) in angstrom of the paper, for every image.

        image: channels are the particle and the low-passed particle.
        """
        features = self.features(image)
        rotation = rotation_from_six_numbers(self.rotation_head(features).unflatten(1, (-1, 6)))
        return rotation, self.translation_head(features) * self.shift_scale_angstrom
