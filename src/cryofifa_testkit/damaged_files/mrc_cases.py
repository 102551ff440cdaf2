"""MRC stacks of every mode and maps, damaged: what is read is what mrcfile reads."""

from pathlib import Path

import mrcfile
import numpy as np

from cryofifa.mrc_map import read_map, write_map
from cryofifa.particles.files.read import read_particles
from cryofifa.particles.simulated.pseudo_protein import pseudo_protein
from cryofifa_testkit.damaged_files.case import Seed
from cryofifa_testkit.damaged_files.check import check_equal, check_images
from cryofifa_testkit.damaged_files.mrc_damage import MRC
from cryofifa_testkit.damaged_files.small_run import BOX, PIXEL_ANGSTROM
from cryofifa_testkit.particle_files import write_stack, write_star


def mrc_seeds(folder: Path, formats: Path | None) -> list[Seed]:
    """Stacks of every mode beside a STAR file that does not state their box, and maps."""
    contents = {}
    for mode in ("i1", "i2", "f4", "u2", "f2"):
        images = np.random.default_rng(0).integers(0, 100, size=(3, 16, 16)).astype(mode)
        contents[f"mode {mode}"] = write_stack(folder / "stack.mrcs", images).read_bytes(), 3
    if formats is not None:
        for name, count in (("empiar10076/empiar_10076_7.mrc", 7), ("trpv1/batch_0_restacked.mrc", 10)):
            contents[Path(name).name] = (formats / name).read_bytes(), count
    seeds = []
    for index, (name, (content, count)) in enumerate(contents.items()):
        place = folder / str(index)
        particles = {
            "rlnImageName": [f"{number}@damaged.mrcs" for number in range(1, count + 1)],
            "rlnDefocusU": [10000.0] * count,
            "rlnOpticsGroup": [1] * count,
        }
        optics = {"rlnOpticsGroup": [1], "rlnVoltage": [300], "rlnSphericalAberration": [2.7]}
        write_star(place / "a.star", particles, {**optics, "rlnAmplitudeContrast": [0.1], "rlnImagePixelSize": [1.5]})
        seeds.append(Seed(name, content, place / "damaged.mrcs", MRC, _judge_stack))
    volume = folder / "map.mrc"
    write_map(volume, pseudo_protein(BOX, PIXEL_ANGSTROM), PIXEL_ANGSTROM)
    return [*seeds, *(Seed("a map", volume.read_bytes(), volume, MRC, _judge_map) for _ in range(2))]


def _judge_stack(path: Path) -> None:
    check_images(read_particles(path.with_name("a.star")))


def _judge_map(path: Path) -> None:
    values, pixel_size = read_map(path)
    with mrcfile.open(path, permissive=True) as file:
        assert file.data is not None
        assert file.voxel_size is not None
        check_equal("the map", values.numpy(), file.data.astype(np.float32))
        check_equal("the voxel size", np.array(pixel_size), np.array(file.voxel_size.x), 1e-3)
