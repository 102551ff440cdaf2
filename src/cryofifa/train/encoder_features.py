"""The part that both encoders share: the network that makes features of an image, built as the settings say."""

from __future__ import annotations

from cryofifa.model.pose_encoder import ImageFeatures
from cryofifa.settings.encoder import EncoderSettings


def features_of(settings: EncoderSettings, inputs: int, box_size: int) -> ImageFeatures:
    """A new network that makes features of images with `inputs` channels and a box of `box_size` pixels."""
    return ImageFeatures(
        inputs=inputs,
        box_size=box_size,
        channels=settings.channels,
        stages=settings.stages,
        feature_width=settings.feature_width,
        omega=settings.omega,
        half_precision=settings.half_precision,
    )
