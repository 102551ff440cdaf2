"""The second encoder (paper, local refinement): from a full-size particle to a correction of the pose it has.

In the paper it sees the particle alone. Here it also sees the decoder's prediction at that pose, in the image's own
frame, because the difference of the two is what needs correcting.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from cryofifa.model.pose_encoder import ImageFeatures, sine_head

INPUTS = 3  # particle, low-passed particle, prediction


class CorrectionEncoder(nn.Module):
    """The second encoder: from a particle and its prediction to a correction of rotation and shift.

    A network that has not been trained predicts no correction.

    features: of images with INPUTS channels.
    """

    def __init__(self, features: ImageFeatures) -> None:
        super().__init__()
        self.features = features
        self.rotation_head = sine_head(features, 3, starts_at_zero=True)
        self.translation_head = sine_head(features, 2, starts_at_zero=True)

    def forward(self, image: Float[Tensor, "n 3 y x"]) -> tuple[Float[Tensor, "n 3"], Float[Tensor, "n 2"]]:
        """The corrections: a rotation vector (x, y, z) of the image frame and a shift (x, y).

        Both are in units of the present stage of training (`train.encoder_refinement`), not in radians and angstrom.

        image: channels are the particle, the low-passed particle and the prediction.
        """
        features = self.features(image)
        return self.rotation_head(features), self.translation_head(features)
