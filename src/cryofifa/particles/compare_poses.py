"""Found poses compared with true ones, up to what no reconstruction can know: the frame, the origin and the hand.

A found map relates to the truth by x_estimate = Q x_truth + e, after a mirror in z where the hand is wrong:

    A_estimate ~ A_truth g^T Q^T             for some member g of the truth's point group
    t_estimate - t_truth ~ (A_estimate e)_xy

Q is found by a vote (the relative rotation most particles agree with), then as the chordal mean of the inliers.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64

from cryofifa.conventions import flip_hand
from cryofifa.particles.poses import Poses

_VOTERS = 300
_VOTE_WIDTH_DEGREE = 10.0
_INLIER_DEGREE = 15.0


@dataclass(frozen=True)
class PoseComparison:
    """Errors of every particle's pose after the best frame, origin and hand.

    Attributes:
        hand_flipped: the estimate is the mirror image (in z) of the truth.
        rotation_truth_to_estimate: Q; in the frame of the mirrored estimate where the hand is flipped.
        origin_in_estimate_angstrom: e (x, y, z), where the truth's origin lies in the (mirrored) estimate.
        rotation_error_degree: per particle, the smallest over the members of the point group.
        shift_error_angstrom: per particle, length of what is left of the shift's difference.
        share_within_10_degree: share of all particles whose rotation error is under 10 degrees.
    """

    hand_flipped: bool
    rotation_truth_to_estimate: Float64[np.ndarray, "3 3"]
    origin_in_estimate_angstrom: Float64[np.ndarray, " 3"]
    rotation_error_degree: Float64[np.ndarray, " n"]
    shift_error_angstrom: Float64[np.ndarray, " n"]
    median_rotation_error_degree: float
    median_shift_error_angstrom: float
    share_within_10_degree: float


def compare_poses(
    estimated: Poses,
    truth: Poses,
    symmetry_rotations: Float64[np.ndarray, "members 3 3"] | None = None,
) -> PoseComparison:
    """Compare found with true poses of the same particles, in the same order.

    symmetry_rotations: the truth's point group, in the truth's frame (`physics.point_groups`); none means C1.

    Raises:
        ValueError: if the tables are empty or of different lengths.
    """
    if len(estimated) != len(truth) or len(truth) == 0:
        raise ValueError(
            f"{len(estimated)} estimated and {len(truth)} true poses: need the same particles, at least one"
        )
    group = np.eye(3)[None] if symmetry_rotations is None else symmetry_rotations
    estimated, truth = estimated.on_host(), truth.on_host()
    true = truth.rotation.numpy()
    best = None
    for flipped in (False, True):
        found = estimated.rotation.numpy()
        found = flip_hand(found) if flipped else found
        q = _refined(_voted(found, true, group), found, true, group)
        member, error = _nearest_member(q, found, true, group)
        score = _agreement(error).mean()
        if best is None or score > best[0]:
            best = (score, flipped, q, member, error)
    assert best is not None
    _, flipped, q, member, error = best
    ideal = true @ np.swapaxes(group[member], -1, -2) @ q.T
    difference = (estimated.shift_angstrom - truth.shift_angstrom).numpy()
    origin = _common_origin(ideal, difference, error < _INLIER_DEGREE)
    shift_error = np.linalg.norm(difference - (ideal @ origin)[:, :2], axis=1)
    return PoseComparison(
        hand_flipped=flipped,
        rotation_truth_to_estimate=q,
        origin_in_estimate_angstrom=origin,
        rotation_error_degree=error,
        shift_error_angstrom=shift_error,
        median_rotation_error_degree=float(np.median(error)),
        median_shift_error_angstrom=float(np.median(shift_error)),
        share_within_10_degree=float((error < 10.0).mean()),
    )


def _angle_degree(trace: np.ndarray) -> np.ndarray:
    """Rotation angle of matrices with this trace."""
    return np.degrees(np.arccos(np.clip((trace - 1) / 2, -1, 1)))


def _agreement(error_degree: np.ndarray) -> np.ndarray:
    """A vote between 0 and 1: 1 at no error, 0 at large ones, however large, so that wrong poses have no influence."""
    return np.exp(-((error_degree / _VOTE_WIDTH_DEGREE) ** 2))


def _voted(found: np.ndarray, true: np.ndarray, group: np.ndarray) -> np.ndarray:
    """The relative rotation A_estimate^T A_truth that most of a random subset agree with, up to the point group."""
    # At random, not evenly spaced: the rows of a file may come in a periodic order.
    rows = np.random.default_rng(0).permutation(len(true))[:_VOTERS]
    candidate = np.swapaxes(found[rows], -1, -2) @ true[rows]
    relative = np.einsum("iab,jac->ijbc", candidate, candidate).reshape(len(rows), len(rows), 9)
    trace = (relative @ group.reshape(-1, 9).T).max(axis=-1)
    return candidate[_agreement(_angle_degree(trace)).sum(axis=1).argmax()]


def _nearest_member(
    q: np.ndarray, found: np.ndarray, true: np.ndarray, group: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Per particle, the member g that brings A_estimate Q g nearest to A_truth, and the remaining angle in degrees."""
    relative = np.swapaxes(found @ q, -1, -2) @ true
    trace = relative.reshape(-1, 9) @ group.reshape(-1, 9).T
    member = trace.argmax(axis=1)
    left = np.swapaxes(group[member], -1, -2) @ relative
    # R - R^T holds the axis times sin: arccos of the trace alone loses half the digits near 0
    twice_sine = np.linalg.norm(left - np.swapaxes(left, -1, -2), axis=(1, 2)) / np.sqrt(2)
    return member, np.degrees(np.arctan2(twice_sine, np.trace(left, axis1=1, axis2=2) - 1))


def _refined(q: np.ndarray, found: np.ndarray, true: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Q as the chordal mean over the inliers, whose choice depends on Q: repeated until it no longer changes."""
    for _ in range(20):
        member, error = _nearest_member(q, found, true, group)
        inlier: Bool[np.ndarray, " n"] = error < _INLIER_DEGREE
        if not inlier.any():
            return q
        relative = np.swapaxes(found, -1, -2) @ true @ np.swapaxes(group[member], -1, -2)
        better = _nearest_rotation(relative[inlier].sum(axis=0))
        change = np.abs(better - q).max()
        q = better
        if change < 1e-9:
            break
    return q


def _nearest_rotation(matrix: np.ndarray) -> np.ndarray:
    """The rotation nearest to a matrix; of a sum of rotations, their chordal mean."""
    left, _, right = np.linalg.svd(matrix)
    return left @ np.diag([1, 1, np.linalg.det(left @ right)]) @ right


def _common_origin(ideal: np.ndarray, difference: np.ndarray, inlier: np.ndarray) -> np.ndarray:
    """e of difference = (A e)_xy by least squares over the inliers, with large residuals weighted down."""
    if inlier.sum() < 3:
        return np.zeros(3)
    rows, values = ideal[inlier][:, :2, :], difference[inlier]
    weight = np.ones(len(values))
    origin = np.zeros(3)
    for _ in range(20):
        normal = np.einsum("n,nia,nib->ab", weight, rows, rows)
        target = np.einsum("n,nia,ni->a", weight, rows, values)
        origin = np.linalg.lstsq(normal, target, rcond=1e-9)[0]
        residual = np.linalg.norm(values - rows @ origin, axis=1)
        weight = 1 / np.maximum(residual, 1e-3 + 0.5 * np.median(residual))
    return origin
