"""Point groups as rotation matrices, in RELION's frames (its symmetries.cpp, also Xmipp's).

Cn: n-fold on z.  Dn: n-fold on z, 2-fold on x.  T: 3-fold on z (not scipy's frame).  O: 4-folds on x, y, z.
I and I2: 2-fold on z, 5-fold at (0.526, 0, 0.851).  I1: 2-fold on x, 5-fold at (0.851, 0, -0.526).
I3: 5-fold on z.  I4: 5-fold at (0.894, 0, 0.447).
"""

import numpy as np
import torch
from jaxtyping import Float, Float64
from scipy.spatial.transform import Rotation
from torch import Tensor

from cryofifa.physics.point_group_names import member_count, parsed_group

# Two axes (order, direction) that generate each group.
_GENERATORS: dict[str, tuple[tuple[int, tuple[float, float, float]], ...]] = {
    "T": ((3, (0, 0, 1)), (2, (0, 0.8164965809, 0.5773502692))),
    "O": ((3, (1, 1, 1)), (4, (0, 0, 1))),
    "I1": ((2, (1, 0, 0)), (5, (0.8506508081, 0, -0.5257311121))),
    "I2": ((2, (0, 0, 1)), (5, (0.5257311121, 0, 0.8506508081))),
    "I3": ((2, (-0.5257311121, 0, 0.8506508081)), (5, (0, 0, 1))),
    "I4": ((2, (0.5257311121, 0, 0.8506508081)), (5, (0.8944271910, 0, 0.4472135955))),
}


def symmetry_rotations(name: str) -> Float64[np.ndarray, "members 3 3"]:
    """All rotations of a point group, the identity first: C1, Cn, Dn, T, O, I (= I2), I1, I2, I3 or I4; any case.

    Raises:
        InputError: if there is no such group.
    """
    kind, order = parsed_group(name)
    generators = list(_GENERATORS.get(kind, ()))
    if not generators:
        generators = [(order, (0.0, 0.0, 1.0))] + ([(2, (1.0, 0.0, 0.0))] if kind == "D" else [])
    return _closure(generators, limit=member_count(name))


def symmetry_members(name: str, device: torch.device) -> Float[Tensor, "members 3 3"]:
    """The same as 32-bit numbers on a device."""
    return torch.from_numpy(symmetry_rotations(name)).float().to(device)


def _closure(generators: list, limit: int) -> np.ndarray:
    """All products of the generators: multiply by them until nothing new comes."""
    steps = []
    for order, axis in generators:
        direction = np.asarray(axis, dtype=np.float64)
        rotvec = direction / np.linalg.norm(direction) * 2 * np.pi / order
        steps.append(Rotation.from_rotvec(rotvec).as_matrix())
    members = [np.eye(3)]
    for member in members:  # the list grows while it is walked
        for step in steps:
            product = step @ member
            if all(np.abs(product - known).max() > 1e-6 for known in members):
                members.append(product)
        assert len(members) <= limit, "generators do not close"
    return np.stack(members)
