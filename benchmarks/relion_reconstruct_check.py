"""The final map against RELION's own reconstruction from the same particles and poses.

    python benchmarks/relion_reconstruct_check.py RUN DATA_FOLDER [--wanted 0.99]

RUN is a finished run, DATA_FOLDER where the image paths of RUN/particles.star start. RELION 3.1 reads neither MRC mode
12 (float16) nor paths from another folder: such stacks are copied as float32 to a temporary folder, others linked.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import cast

import mrcfile
import numpy as np
import pandas as pd
import starfile
from torch import Tensor

from cryofifa.mrc_map import read_map
from cryofifa.particles.files.stack_paths import clean_stack_name
from cryofifa.physics.shell_correlation import fourier_shell_correlation
from cryofifa.results.fsc import in_soft_sphere

READABLE_MODES = (0, 1, 2)
NYQUIST_SHARE = 0.9


def main() -> int:
    options = _options()
    if shutil.which("relion_reconstruct") is None:
        sys.exit("relion_reconstruct is not installed (Debian: package relion)")
    ours, pixel_size = read_map(options.run / "map.mrc")
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        star = readable_copy(options.run / "particles.star", options.data, work)
        command = ["relion_reconstruct", "--i", star.name, "--o", "relion.mrc", "--ctf"]
        command += ["--angpix", f"{pixel_size}"] if options.angpix else []
        print(" ".join(command), flush=True)
        finished = subprocess.run(command, cwd=work, capture_output=True, text=True, check=False)
        if finished.returncode != 0 or not (work / "relion.mrc").exists():
            sys.exit(f"relion_reconstruct ended with {finished.returncode}:\n{finished.stdout}{finished.stderr}")
        theirs, _ = read_map(work / "relion.mrc")
    plain = fourier_shell_correlation(ours, theirs)
    # Outside of the particle there is noise only, which the two treat alike but for rounding near empty voxels.
    masked = fourier_shell_correlation(in_soft_sphere(ours, options.radius), in_soft_sphere(theirs, options.radius))
    return report(plain, masked, ours.shape[-1] * pixel_size, options.radius, options.wanted)


def report(plain: Tensor, masked: Tensor, box_angstrom: float, radius: float, wanted: float) -> int:
    """Print both curves; exit code 1 if the masked one falls under `wanted` before 0.9 of Nyquist."""
    last = int(NYQUIST_SHARE * (len(plain) - 1))
    print(f"\n{'shell':>5} {'angstrom':>9} {'no mask':>9} {'sphere ' + format(radius, 'g'):>12}")
    for shell in range(1, len(plain)):
        print(f"{shell:>5} {box_angstrom / shell:>9.2f} {plain[shell]:>9.4f} {masked[shell]:>12.4f}")
    lowest_plain, lowest_masked = float(plain[1 : last + 1].min()), float(masked[1 : last + 1].min())
    print(f"\nlowest FSC up to shell {last} (0.9 Nyquist): {lowest_plain:.4f} without mask, {lowest_masked:.4f} within")
    good = lowest_masked >= wanted
    print(f"{'agrees' if good else 'DOES NOT AGREE'} (wanted: {wanted} within the sphere)")
    return 0 if good else 1


def readable_copy(star: Path, data: Path, work: Path) -> Path:
    """A STAR in `work` whose stacks RELION 3.1 can read: links where they are, float32 copies where they are not."""
    blocks = cast(dict[str, pd.DataFrame], starfile.read(star, always_dict=True))
    particles = blocks["particles"]
    parts = particles["rlnImageName"].str.split("@", n=1, expand=True)
    number, stack = parts[0], parts[1]
    new_names = {}
    for index, name in enumerate(sorted(stack.unique())):
        new_names[name] = f"stack{index:04d}.mrcs"
        _make_readable(_found_stack(name, star, data), work / new_names[name])
    particles["rlnImageName"] = number + "@" + stack.map(new_names)
    copy = work / "particles.star"
    starfile.write(dict(blocks), copy)
    return copy


def _found_stack(name: str, star: Path, data: Path) -> Path:
    clean = clean_stack_name(name)
    for path in (data / clean, data / Path(clean).name, star.parent / clean, Path(clean)):
        if path.is_file():
            return path.resolve()
    sys.exit(f"{name}: no such stack under {data}")


def _make_readable(source: Path, target: Path) -> None:
    with mrcfile.mmap(source, mode="r", permissive=True) as file:
        header, images = file.header, file.data
        assert header is not None
        assert images is not None
        if int(header.mode) in READABLE_MODES:
            target.symlink_to(source)
            return
        assert file.voxel_size is not None
        voxel_size = float(file.voxel_size.x)
        with mrcfile.new_mmap(target, shape=images.shape, mrc_mode=2) as copy:
            copy.set_image_stack()
            copy.voxel_size = voxel_size
            written = copy.data
            assert written is not None
            for first in range(0, len(images), 1000):
                written[first : first + 1000] = np.asarray(images[first : first + 1000], dtype=np.float32)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, metavar="RUN")
    parser.add_argument("data", type=Path, metavar="DATA_FOLDER")
    parser.add_argument("--radius", type=float, default=0.35, help="of the soft sphere, share of the box")
    parser.add_argument("--wanted", type=float, default=0.99, help="lowest FSC up to 0.9 Nyquist within the sphere")
    parser.add_argument("--angpix", action="store_true", help="tell RELION the map's pixel size")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
