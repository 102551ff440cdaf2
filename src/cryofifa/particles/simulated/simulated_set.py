"""What is drawn for a simulated set, and its files in RELION's formats: image stack and STAR 3.1."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import mrcfile
import numpy as np
import pandas as pd
import torch
from jaxtyping import Float64, Int64
from mrcfile.mrcfile import MrcFile
from mrcfile.mrcmemmap import MrcMemmap

from cryofifa.conventions import relion_euler_degrees_from_rotations
from cryofifa.particles.files.star_tables_writer import write_star_tables
from cryofifa.physics.ctf import CtfParameters

VOLTAGE_KILOVOLT = 300.0
SPHERICAL_ABERRATION_MILLIMETRE = 2.7
AMPLITUDE_CONTRAST = 0.1
JUNK_KINDS = ("noise", "ice", "molecule", "edge", "aggregate", "fragment", "two")


@dataclass(frozen=True)
class SimulatedParameters:
    """Everything that is drawn for a set except the noise, one value per row.

    Attributes:
        defocus_u_angstrom, defocus_v_angstrom: the true ones.
        junk_kind: -1 for a particle, else an index into JUNK_KINDS.
        model: which structure it has, from 0.
        b_factor_square_angstrom: its amplitude falls as exp(-B s^2 / 4).
        contrast: what its image is multiplied by.
        defocus_u_error_angstrom, defocus_v_error_angstrom: what the particle file says, less the true ones.
    """

    rotation_volume_to_image: Float64[np.ndarray, "n 3 3"]
    shift_angstrom: Float64[np.ndarray, "n 2"]
    micrograph: Int64[np.ndarray, " n"]
    defocus_u_angstrom: Float64[np.ndarray, " n"]
    defocus_v_angstrom: Float64[np.ndarray, " n"]
    defocus_angle_degree: Float64[np.ndarray, " n"]
    junk_kind: Int64[np.ndarray, " n"]
    model: Int64[np.ndarray, " n"]
    b_factor_square_angstrom: Float64[np.ndarray, " n"]
    contrast: Float64[np.ndarray, " n"]
    defocus_u_error_angstrom: Float64[np.ndarray, " n"]
    defocus_v_error_angstrom: Float64[np.ndarray, " n"]

    def ctf(self, rows: slice) -> CtfParameters:
        """The CTF parameters of these rows, as 32-bit tensors."""
        u = torch.from_numpy(self.defocus_u_angstrom[rows]).float()
        return CtfParameters(
            defocus_u_angstrom=u,
            defocus_v_angstrom=torch.from_numpy(self.defocus_v_angstrom[rows]).float(),
            defocus_angle_radian=torch.from_numpy(np.radians(self.defocus_angle_degree[rows])).float(),
            phase_shift_radian=torch.zeros_like(u),
            voltage_kilovolt=torch.full_like(u, VOLTAGE_KILOVOLT),
            spherical_aberration_millimetre=torch.full_like(u, SPHERICAL_ABERRATION_MILLIMETRE),
            amplitude_contrast=torch.full_like(u, AMPLITUDE_CONTRAST),
            b_factor_square_angstrom=torch.from_numpy(self.b_factor_square_angstrom[rows]).float(),
            scale=torch.from_numpy(self.contrast[rows]).float(),
        )


def write_stack(
    path: Path,
    blocks: Iterator[tuple[int, np.ndarray]],
    n: int,
    box: int,
    pixel_size_angstrom: float,
    dtype: str,
) -> None:
    """Write blocks of (first row, images) as an MRC stack of n images, with the statistics in its header.

    dtype: "float32" or "float16".
    """
    mode = {"float32": 2, "float16": 12}[dtype]
    total, squares, least, most = 0.0, 0.0, np.inf, -np.inf
    with mrcfile.new_mmap(path, shape=(n, box, box), mrc_mode=mode, overwrite=True) as file:
        file.set_image_stack()
        file.voxel_size = pixel_size_angstrom
        data, header = file.data, file.header
        assert data is not None
        assert header is not None
        for first, images in blocks:
            data[first : first + len(images)] = images
            total += float(images.sum(dtype=np.float64))
            squares += float(np.square(images, dtype=np.float64).sum())
            least, most = min(least, float(images.min())), max(most, float(images.max()))
        mean = total / (n * box * box)
        # Set by hand from running sums, because mrcfile would read the whole stack again.
        header.dmin, header.dmax, header.dmean = least, most, mean
        header.rms = max(0.0, squares / (n * box * box) - mean**2) ** 0.5
        label_without_time(file)


def label_without_time(file: MrcFile | MrcMemmap) -> None:
    """Replace an MRC file's label, which tells the time of day: the same set gives the same bytes."""
    assert file.header is not None
    file.header.label[0] = b"CryoFIFA simulation"


def write_star(
    path: Path,
    drawn: SimulatedParameters,
    box: int,
    pixel_size_angstrom: float,
    *,
    with_poses: bool,
    further_columns: Mapping[str, np.ndarray] | None = None,
) -> None:
    """Write a STAR 3.1 file, with poses and the true defocus, or without poses (the input of a reconstruction).

    further_columns: by their labels, to stand behind the others.
    """
    optics = pd.DataFrame(
        {
            "rlnOpticsGroup": [1],
            "rlnOpticsGroupName": ["opticsGroup1"],
            "rlnVoltage": [VOLTAGE_KILOVOLT],
            "rlnSphericalAberration": [SPHERICAL_ABERRATION_MILLIMETRE],
            "rlnAmplitudeContrast": [AMPLITUDE_CONTRAST],
            "rlnImagePixelSize": [pixel_size_angstrom],
            "rlnImageSize": [box],
            "rlnImageDimensionality": [2],
        }
    )
    n = len(drawn.junk_kind)
    columns: dict[str, object] = {
        "rlnImageName": [f"{row + 1:06d}@particles.mrcs" for row in range(n)],
        "rlnMicrographName": [f"micrograph{number + 1:05d}.mrc" for number in drawn.micrograph],
        "rlnDefocusU": drawn.defocus_u_angstrom + (0 if with_poses else drawn.defocus_u_error_angstrom),
        "rlnDefocusV": drawn.defocus_v_angstrom + (0 if with_poses else drawn.defocus_v_error_angstrom),
        "rlnDefocusAngle": drawn.defocus_angle_degree,
        "rlnPhaseShift": np.zeros(n),
        "rlnOpticsGroup": np.ones(n, dtype=np.int64),
    }
    if with_poses:
        euler = relion_euler_degrees_from_rotations(drawn.rotation_volume_to_image)
        columns |= {label: euler[:, i] for i, label in enumerate(("rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi"))}
        columns |= {f"rlnOrigin{axis}Angst": drawn.shift_angstrom[:, i] for i, axis in enumerate("XY")}
    columns |= further_columns or {}
    write_star_tables(path, {"optics": optics, "particles": pd.DataFrame(columns)})
