"""The paper's own recipes: Extended Data Table 2, one preset per column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cryofifa.settings.config import Config
from cryofifa.settings.encoder import Augmentation


@dataclass(frozen=True)
class MaskSeries:
    """The Fourier masks of one stage and the images they are applied to.

    Attributes:
        box_pixel, pixel_size_angstrom: of the images.
        steps: number of different masks.
        epochs: passes over the particles with each mask.
        start_resolution_angstrom, end_resolution_angstrom: of the first and the last mask.
    """

    box_pixel: int
    pixel_size_angstrom: float
    steps: int
    epochs: int
    start_resolution_angstrom: float
    end_resolution_angstrom: float


@dataclass(frozen=True)
class Preset:
    """One column of Extended Data Table 2: the recipe of one particle set.

    Attributes:
        particles: how many particles the set has.
        ab_initio: masks of ab initio.
        minibatch_per_gpu: the paper ran on 8 GPUs, each with a minibatch of this size.
        augmentation: copies that are made of each image.
        local_refinement: masks of the second encoder, on full-size particles; None for most sets.
    """

    particles: int
    ab_initio: MaskSeries
    minibatch_per_gpu: int
    augmentation: Augmentation
    local_refinement: MaskSeries | None = None

    def config(self) -> Config:
        """The default settings, changed to the paper's recipe, for one device.

        The minibatch is that of one GPU, so each update is made from an eighth of the paper's particles. Box and pixel
        size are chosen from the particles. What the table does not give keeps its default.
        """
        masks = self.ab_initio
        return Config().changed(
            pose_mode="amortized",
            start_resolution_angstrom=masks.start_resolution_angstrom,
            end_resolution_angstrom=masks.end_resolution_angstrom,
            encoder={"augmentation": self.augmentation, "random_turns": 8, "heads": 1},
            amortized={"disturbance_degree": 10.0},  # the paper does not say how much
            curriculum={
                "mask_steps": masks.steps,
                "epochs": masks.steps * masks.epochs,
                "growth_share": 1.0,  # every mask lasts as long as every other, the last one too
                "minibatch": self.minibatch_per_gpu,
            },
            encoder_refinement=self._refinement(),
        )

    def _refinement(self) -> dict[str, Any]:
        masks = self.local_refinement
        if masks is None:
            return {"epochs": 0}
        return {
            "epochs": masks.steps * masks.epochs,
            "mask_steps": masks.steps,
            "start_resolution_angstrom": masks.start_resolution_angstrom,
            "end_resolution_angstrom": masks.end_resolution_angstrom,
        }


# particles, (box, pixel size, steps, epochs per step, start and end resolution), minibatch, augmentation
PRESETS = {
    "streptavidin": Preset(100_000, MaskSeries(128, 1.072, 32, 3, 20, 2.4), 32, "8x45"),
    "gat1": Preset(100_000, MaskSeries(128, 1.691, 32, 3, 100, 3.4), 64, "8x45"),
    "ribosome": Preset(105_277, MaskSeries(128, 3.768, 32, 3, 100, 8), 32, "8x45"),
    "trisnrnp": Preset(124_340, MaskSeries(128, 4.247, 32, 2, 40, 9), 64, "8x45"),
    "rag": Preset(108_544, MaskSeries(128, 1.845, 32, 5, 100, 4), 64, "8x45"),
    "trpv1": Preset(35_645, MaskSeries(128, 2.431, 32, 3, 30, 5), 16, "4x90"),
    "trpm8": Preset(42_040, MaskSeries(128, 2.6475, 32, 6, 120, 6), 32, "8x45"),
    "apoferritin": Preset(102_000, MaskSeries(128, 2.075, 32, 3, 30, 4.4), 32, "random"),
    "mastigoneme": Preset(168_000, MaskSeries(128, 4.33, 30, 5, 60, 8.7), 128, "8x45"),
    "gpcr": Preset(100_000, MaskSeries(128, 1.928, 32, 3, 30, 4), 32, "8x45", MaskSeries(228, 1.0825, 57, 2, 30, 3)),
    "bact": Preset(19_310, MaskSeries(128, 3.3125, 32, 3, 60, 7), 32, "8x45"),
}


def presets_as_text() -> str:
    """All presets as a table of text, one on each line; the numbers of local refinement follow a slash."""
    rows = [["name", "particles", "box", "A/px", "masks x epochs", "start - end A", "batch", "augmentation"]]
    for name, preset in PRESETS.items():
        stages = [stage for stage in (preset.ab_initio, preset.local_refinement) if stage is not None]
        columns = [
            [str(stage.box_pixel) for stage in stages],
            [f"{stage.pixel_size_angstrom:g}" for stage in stages],
            [f"{stage.steps} x {stage.epochs}" for stage in stages],
            [f"{stage.start_resolution_angstrom:g} - {stage.end_resolution_angstrom:g}" for stage in stages],
        ]
        joined = map(" / ".join, columns)
        rows.append([name, str(preset.particles), *joined, str(preset.minibatch_per_gpu), preset.augmentation])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)
