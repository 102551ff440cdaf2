"""What both encoders make of an image before their heads, as the settings say it."""

from __future__ import annotations

from cryofifa.model.pose_encoder import ImageFeatures
from cryofifa.settings.encoder import EncoderSettings


def features_of(settings: EncoderSettings, inputs: int, box_size: int) -> ImageFeatures:
    """A new network for images of `inputs` channels and a box."""
    return ImageFeatures(
        inputs=inputs,
        box_size=box_size,
        channels=settings.channels,
        stages=settings.stages,
        feature_width=settings.feature_width,
        omega=settings.omega,
        half_precision=settings.half_precision,
    )
