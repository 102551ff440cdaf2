"""Run DeepEMhancer (Sanchez-Garcia et al. 2021), a program of other authors, on our maps where it is installed."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from cryofifa.errors import InputError
from cryofifa.mrc_map import write_map
from cryofifa.results.unfiltered_maps import UnfilteredMaps
from cryofifa.system.atomic_file import atomic_path

PROGRAM = "deepemhancer"
MODEL = "tightTarget"  # the program's own default


def run_deepemhancer(maps: UnfilteredMaps, output: Path) -> None:
    """Give DeepEMhancer the unfiltered half maps, or the map where there are none, and wait for its result.

    Args:
        maps: the maps.
        output: where the result is written (MRC).

    Raises:
        InputError: if the program is not installed, or fails.
    """
    program = shutil.which(PROGRAM)
    if program is None:
        raise InputError(f"{PROGRAM} is not installed, or not on the PATH; install it, or sharpen without it")
    # the program does not overwrite files, so it gets a new name in the folder of the output
    with tempfile.TemporaryDirectory() as given, atomic_path(output.resolve()) as temporary:
        inputs = []
        volumes = (maps.combined,) if maps.halves is None else maps.halves
        for option, volume in zip(("-i", "-i2"), volumes, strict=False):
            path = Path(given) / f"map{option}.mrc"
            write_map(path, volume, maps.pixel_size_angstrom)
            inputs += [option, str(path)]
        done = subprocess.run([program, *inputs, "-o", str(temporary), "-p", MODEL], check=False)
        if done.returncode != 0 or not temporary.exists():
            raise InputError(f"{PROGRAM} failed (exit code {done.returncode}); its own message stands above this line")
