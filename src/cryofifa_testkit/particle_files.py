"""Makes small particle files for the tests, by hand: none of our own writers is used."""

from pathlib import Path

import mrcfile
import numpy as np
import torch
from scipy.spatial.transform import Rotation

from cryofifa.particles.files.star import read_star
from cryofifa.particles.poses import Poses
from cryofifa.particles.preprocess import ParticleImages
from cryofifa.particles.stacks import ImageStacks

OPTICS = {
    "rlnOpticsGroup": [1],
    "rlnOpticsGroupName": ["opticsGroup1"],
    "rlnVoltage": [300.0],
    "rlnSphericalAberration": [2.7],
    "rlnAmplitudeContrast": [0.1],
    "rlnImagePixelSize": [1.5],
    "rlnImageSize": [8],
    "rlnImageDimensionality": [2],
}
PARTICLES = {
    "rlnImageName": ["000001@stack.mrcs", "000003@stack.mrcs", "000002@stack.mrcs"],
    "rlnDefocusU": [10000.0, 11000.0, 12000.0],
    "rlnDefocusV": [9000.0, 10500.0, 11500.0],
    "rlnDefocusAngle": [45.0, 90.0, -30.0],
    "rlnOpticsGroup": [1, 1, 1],
}
STAR30 = {
    **{label: column for label, column in PARTICLES.items() if label != "rlnOpticsGroup"},
    "rlnVoltage": [300.0, 200.0, 300.0],
    "rlnSphericalAberration": [2.7, 2.7, 2.7],
    "rlnAmplitudeContrast": [0.1, 0.1, 0.1],
    "rlnMagnification": [20000.0, 20000.0, 20000.0],
    "rlnDetectorPixelSize": [3.0, 3.0, 3.0],
}


# What the CTF of every particle is made of: fields of `ParticleTable`.
CTF_OF_TABLE = (
    "voltage_kilovolt",
    "spherical_aberration_millimetre",
    "amplitude_contrast",
    "defocus_u_angstrom",
    "defocus_v_angstrom",
    "defocus_angle_radian",
    "phase_shift_radian",
    "b_factor_square_angstrom",
    "ctf_scale",
)


def changed(columns: dict, **new: list) -> dict:
    """These columns, and new ones in place of those of the same label."""
    return {**columns, **new}


def without(columns: dict, *labels: str) -> dict:
    """These columns but for the named ones."""
    return {label: column for label, column in columns.items() if label not in labels}


def some_poses(n: int = 3) -> Poses:
    """Poses, scores and half sets of up to seven particles, the same at every call."""
    rng = np.random.default_rng(3)
    return Poses.found(
        torch.from_numpy(Rotation.random(n, rng=rng).as_matrix()),
        torch.from_numpy(rng.normal(size=(n, 2))),
        score=torch.from_numpy(rng.normal(size=n)),
        half=torch.tensor([2, 1, 2, 2, 1, 1, 2][:n]),
    )


def star_text(**blocks: dict) -> str:
    lines = []
    for name, columns in blocks.items():
        lines += [f"data_{name}", "", "loop_", *(f"_{label} #{i}" for i, label in enumerate(columns, 1))]
        lines += [" ".join(map(str, row)) for row in zip(*columns.values(), strict=True)] + ["", ""]
    return "\n".join(lines)


def write_star(path: Path, particles: dict | None = None, optics: dict | None = None) -> Path:
    """Write a STAR 3.1 file of these particles and optics groups."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(star_text(optics=optics or OPTICS, particles=particles or PARTICLES))
    return path


def write_star30(path: Path, particles: dict | None = None) -> Path:
    path.write_text(star_text(**{"": particles or STAR30}))
    return path


def ramp(n: int = 3, box: int = 8, dtype: str = "f4") -> np.ndarray:
    """Images that differ in every pixel (int8 included)."""
    values = np.arange(n * box * box) % 100 - 20 * (np.dtype(dtype).kind != "u")
    return values.reshape(n, box, box).astype(dtype)


def write_stack(path: Path, images: np.ndarray | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with mrcfile.new(path, overwrite=True) as mrc:
        mrc.set_data(ramp() if images is None else images)
        mrc.set_image_stack()
    return path


def particle_images(folder: Path, image: np.ndarray, pixel_sizes: list[float]) -> ParticleImages:
    """A RELION set whose particles have these pixel sizes, one optics group per size."""
    groups = list(dict.fromkeys(pixel_sizes))
    optics = {label: column * len(groups) for label, column in OPTICS.items()}
    optics |= {
        "rlnOpticsGroup": list(range(1, len(groups) + 1)),
        "rlnImagePixelSize": groups,
        "rlnImageSize": [image.shape[-1]] * len(groups),
    }
    count = len(image)
    particles = {label: [column[0]] * count for label, column in PARTICLES.items()} | {
        "rlnImageName": [f"{number + 1:06d}@stack.mrcs" for number in range(count)],
        "rlnOpticsGroup": [groups.index(size) + 1 for size in pixel_sizes],
    }
    (folder / "set.star").write_text(star_text(optics=optics, particles=particles))
    write_stack(folder / "stack.mrcs", image.astype(np.float32))
    table = read_star(folder / "set.star")
    return ParticleImages(table, ImageStacks(table))


def cs_records(n: int = 3, box: int = 8, without: tuple[str, ...] = (), **extra: np.ndarray) -> np.ndarray:
    columns = {
        "uid": np.array([2**63 + 5 + i for i in range(n)], dtype=np.uint64),
        "blob/path": np.array([b">stack.mrcs"] * n),
        "blob/idx": np.arange(n, dtype=np.uint32)[::-1],
        "blob/shape": np.full((n, 2), box, dtype=np.uint32),
        "blob/psize_A": np.full(n, 1.5, dtype=np.float32),
        "blob/sign": np.full(n, -1.0, dtype=np.float32),
        "ctf/accel_kv": np.full(n, 300.0, dtype=np.float32),
        "ctf/cs_mm": np.full(n, 2.75, dtype=np.float32),
        "ctf/amp_contrast": np.full(n, 0.125, dtype=np.float32),
        "ctf/df1_A": np.linspace(10000, 12000, n).astype(np.float32),
        "ctf/df2_A": np.linspace(9000, 11000, n).astype(np.float32),
        "ctf/df_angle_rad": np.full(n, 0.5, dtype=np.float32),
        "ctf/phase_shift_rad": np.full(n, 0.25, dtype=np.float32),
        **extra,
    }
    columns = {name: column for name, column in columns.items() if name not in without}
    records = np.empty(n, dtype=[(name, column.dtype, column.shape[1:]) for name, column in columns.items()])
    for name, column in columns.items():
        records[name] = column
    return records


def write_cs(path: Path, records: np.ndarray) -> Path:
    with path.open("wb") as file:
        np.save(file, records, allow_pickle=False)
    return path
