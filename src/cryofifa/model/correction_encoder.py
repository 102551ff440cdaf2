"""The second encoder (paper, local refinement): from a full-size particle to corrections of the pose it has.

The paper shows it the particle alone. Here it also sees what the decoder predicts at that pose, in the image's own
frame: what is to be corrected is the difference of the two.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from cryofifa.model.pose_encoder import ImageFeatures, sine_head

INPUTS = 3  # particle, low-passed particle, prediction


class CorrectionEncoder(nn.Module):
    """Image and prediction -> rotation vector of the image frame and shift, both in units of the present stage.

    A fresh network corrects nothing.

    features: of INPUTS channels.
    """

    def __init__(self, features: ImageFeatures) -> None:
        super().__init__()
        self.features = features
        self.rotation_head = sine_head(features, 3, starts_at_zero=True)
        self.translation_head = sine_head(features, 2, starts_at_zero=True)

    def forward(self, image: Float[Tensor, "n 3 y x"]) -> tuple[Float[Tensor, "n 3"], Float[Tensor, "n 2"]]:
        features = self.features(image)
        return self.rotation_head(features), self.translation_head(features)
