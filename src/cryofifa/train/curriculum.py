"""The curriculum as data: which Fourier mask, search and share of the particles count at any point of a run.

`stage_at` is a pure function of the curriculum and the progress (0 at the start, 1 at the end).
The paper grows the mask in a fixed number of steps, each lasting some epochs (Extended Data Table 2); it does not
state the spacing of the radii. Here they are evenly spaced in frequency.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Curriculum:
    """Everything that changes while the networks learn; radii are in Fourier pixels of the working box.

    Attributes:
        epochs: passes over the particles.
        mask_steps: number of different Fourier masks.
        start_radius, end_radius: of the first and the last mask.
        keep_fraction_start, keep_fraction_end: share of each minibatch that updates the networks.
        temperature_start: at which winning candidates are drawn at first; it falls to 0 with the global search.
        disturbance_start_degree: standard deviation by which predicted rotations are disturbed at first.
        disturbance_share: the disturbance has faded after this share of the run.
    """

    epochs: int
    mask_steps: int
    start_radius: float
    end_radius: float
    growth_share: float  # the mask stops growing after this share of the run
    global_search_share: float  # the global search is on for this first share of the run
    encoder_share: float  # the encoder takes part after this share of the run
    keep_fraction_start: float
    keep_fraction_end: float
    keep_growth_share: float  # the junk filter reaches its final fraction after this share
    temperature_start: float
    disturbance_start_degree: float
    disturbance_share: float
    fade_in_share: float = 0.0  # local refinement: the decoder is frozen and the mask waits for this first share
    decoder_rate_start: float = 1.0  # share of the decoder's learning rate; falls over the second half of the run
    decoder_rate_end: float = 1.0


Number = float | Float[Tensor, ""]
CHANGING = ("keep_fraction", "temperature", "encoder_rate", "decoder_rate")  # what changes from step to step of a stage


@dataclass(frozen=True)
class Stage:
    """What holds at one step of the run.

    The numbers that change from step to step may be tensors, so that a GPU step that was recorded with them
    (`step_graph.py`) can be replayed with other values.

    Attributes:
        mask_radius: of the Fourier mask, in Fourier pixels.
        searches_globally: whether an orientation set and wide shifts are candidates.
        use_encoder: whether the encoder takes part.
        keep_fraction: share of the minibatch that updates the networks.
        disturbance_degree: standard deviation by which predicted rotations are disturbed.
    """

    mask_radius: float
    searches_globally: bool
    use_encoder: bool
    keep_fraction: Number
    temperature: Number  # where winners are drawn, with probability exp(-distance / temperature)
    disturbance_degree: float
    encoder_rate: Number  # what the encoder's learning rate is multiplied by
    decoder_rate: Number = 1.0  # likewise
    draws_winners: bool = False  # else the best wins
    # guided: afterwards it only learns. Measured on gpcr, ribosome: poses are the same without any of its proposals
    encoder_proposes: bool = True

    @property
    def numbers(self) -> tuple[Number, ...]:
        """The values that change from step to step, in the order of `CHANGING`."""
        return tuple(getattr(self, name) for name in CHANGING)

    def with_numbers(self, numbers: Iterable[Number]) -> Stage:
        """The same stage with other values in the order of `CHANGING`."""
        return replace(self, **dict(zip(CHANGING, numbers, strict=True)))

    @property
    def lasting(self) -> Stage:
        """The stage without its changing values: steps whose stages are equal in this take the same operations."""
        return self.with_numbers(0.0 for _ in CHANGING)


def stages_of_epoch(curriculum: Curriculum, epoch: int, steps: int) -> list[Stage]:
    """The stage of each of the `steps` steps of an epoch (counted from 0)."""
    return [stage_at(curriculum, (epoch + step / steps) / curriculum.epochs) for step in range(steps)]


LAST_ENCODER_RATE = 0.1  # share of the encoder's rate left at the end; it falls evenly over the second half; our choice


def stage_at(curriculum: Curriculum, progress: float) -> Stage:
    """The stage at a progress from 0 (start of the run) to 1 (its end).

    Raises:
        ValueError: if the progress is not between 0 and 1.
    """
    if not 0 <= progress <= 1:
        raise ValueError(f"progress {progress} is not between 0 and 1")
    c = curriculum
    growth = max(0.0, progress - c.fade_in_share) / (1 - c.fade_in_share)
    step = min(c.mask_steps - 1, int(growth / c.growth_share * c.mask_steps))
    # a single step is the end radius at once
    mask_radius = c.end_radius - (c.end_radius - c.start_radius) * (c.mask_steps - 1 - step) / max(1, c.mask_steps - 1)
    filtering = min(1.0, progress / c.keep_growth_share) if c.keep_growth_share > 0 else 1.0
    keep = c.keep_fraction_start + (c.keep_fraction_end - c.keep_fraction_start) * filtering
    settling = max(0.0, 2 * progress - 1)
    fall = c.decoder_rate_end / c.decoder_rate_start
    temperature = (
        c.temperature_start * max(0.0, 1 - progress / c.global_search_share) if c.global_search_share > 0 else 0.0
    )
    fading = max(0.0, 1 - progress / c.disturbance_share) if c.disturbance_share > 0 else 0.0
    return Stage(
        mask_radius=mask_radius,
        searches_globally=progress < c.global_search_share,
        use_encoder=progress >= c.encoder_share,
        keep_fraction=keep,
        temperature=temperature,
        disturbance_degree=c.disturbance_start_degree * fading,
        encoder_rate=1 - (1 - LAST_ENCODER_RATE) * settling,
        decoder_rate=0.0 if progress < c.fade_in_share else c.decoder_rate_start * fall**settling,
        draws_winners=temperature > 0,
        encoder_proposes=progress < c.global_search_share or c.global_search_share == 0,
    )
