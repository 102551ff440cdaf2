"""The sections over epochs: how far poses still moved, the loss, and where the poses came from."""

from __future__ import annotations

from collections.abc import Sequence

from cryofifa.results.report.epoch_columns import epoch_column, refinement_epochs, winner_share_columns
from cryofifa.results.report.markup import note, plot, section
from cryofifa.results.report.plots.loss import loss_figure
from cryofifa.results.report.plots.pose_change import pose_change_figure
from cryofifa.results.report.plots.winning_poses import winner_figure
from cryofifa.train.epoch_record import EpochRecord

LOSS_NOTE = (
    "The loss falls in wrong minima too: never judge a run by it. Look at the map, the pose change and the views."
)
WINNER_NOTE = (
    "In every epoch several poses are compared with each particle, and the one that fits best wins. Memory: the pose "
    "the particle had before. Perturbation: small random changes of it. Encoder: the pose that a neural network reads "
    "from the image. Orientation set: the best of random orientations over the whole sphere, drawn anew."
)
SETTLED_NOTE = (
    "Early on the orientation set should win often; later memory, perturbation and encoder. If it still wins often "
    "at the end, the poses have not settled."
)


def pose_change_section(history: Sequence[EpochRecord]) -> str:
    """Whether the poses came to rest."""
    names = ("epoch", "pose_change_median_degree", "shift_change_median_angstrom", "resolution_angstrom")
    epoch, turned, moved, resolution = (epoch_column(history, name) for name in names)
    return section(
        "poses",
        "Did the poses settle?",
        plot(
            lambda ink: pose_change_figure(epoch, turned, moved, resolution, refinement_epochs(history), ink),
            "Pose change and shift change per epoch",
        ),
        note(
            "Median change of a particle's pose since the epoch before. It should fall and stay small; "
            "it may rise briefly when the mask (dashed) lets in finer detail."
        ),
    )


def loss_section(history: Sequence[EpochRecord]) -> str:
    """The losses, with the warning not to judge by them."""
    epoch, loss, encoder_loss = (epoch_column(history, name) for name in ("epoch", "loss", "encoder_loss"))
    return section(
        "loss",
        "Loss",
        plot(lambda ink: loss_figure(epoch, loss, encoder_loss, refinement_epochs(history), ink), "Loss per epoch"),
        note(LOSS_NOTE),
    )


def winners_section(history: Sequence[EpochRecord]) -> str:
    """Which of the poses that were tried fitted best."""
    epoch, shares = epoch_column(history, "epoch"), winner_share_columns(history)
    return section(
        "winners",
        "Where the winning poses came from",
        plot(lambda ink: winner_figure(epoch, shares, ink), "Share of winners by origin"),
        note(WINNER_NOTE),
        note(SETTLED_NOTE),
    )
