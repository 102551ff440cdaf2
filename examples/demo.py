"""A made-up protein, its simulated particles, a reconstruction, and the comparison with the truth.

Everything lies in the folder `demo` (or the one given as argument); running it again reuses what is there.
"""

import io
import sys
import time
from pathlib import Path

from PIL import Image

from cryofifa import Config, evaluate, reconstruct, simulate
from cryofifa.mrc_map import read_map, write_map
from cryofifa.particles.simulated.pseudo_protein import pseudo_protein
from cryofifa.results.report.plots.grey_pictures import central_slices, projections

PARTICLES = 2000
BOX = 48
PIXEL_SIZE_ANGSTROM = 4.0
SNR = 0.3
MASK_RADIUS_SHARE = 0.35  # the protein's farthest atom is some 60 A from the centre of a 192 A box

# A wrong minimum gives random poses (over 100 degrees) and no agreement beyond 40 A or so. A right one is limited
# by the few particles: these bars lie between, far from both. The Fourier pixel is 192 A, Nyquist 8 A.
WORST_RESOLUTION_ANGSTROM = 2.6 * PIXEL_SIZE_ANGSTROM
WORST_ROTATION_ERROR_DEGREE = 5.0


def main(folder: Path) -> int:
    structure, particles, run = folder / "protein.mrc", folder / "particles", folder / "run"
    started = time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    if not structure.exists():
        write_map(structure, pseudo_protein(BOX, PIXEL_SIZE_ANGSTROM), PIXEL_SIZE_ANGSTROM)
    if not (particles / "particles.star").exists():  # the last file of a complete set
        print(f"simulating {PARTICLES} particles of {BOX} x {BOX} pixels, SNR {SNR}", flush=True)
        simulate(structure, particles, particles=PARTICLES, box=BOX, pixel_size_angstrom=PIXEL_SIZE_ANGSTROM, snr=SNR)
    print("reconstructing; about a minute on two cores", flush=True)
    reconstruction = reconstruct(particles / "particles.star", run, config=Config(seed=1))

    truth = particles / "truth"
    evaluation = evaluate(run, truth / "map.mrc", truth / "poses.star", radius=MASK_RADIUS_SHARE)
    print(f"\n{evaluation.as_text()}\n{'time':<26}{time.monotonic() - started:>16.0f} s\n")
    resolution, error = evaluation.resolution_fsc05_angstrom, evaluation.median_rotation_error_degree
    assert resolution is not None
    assert error is not None
    right = resolution <= WORST_RESOLUTION_ANGSTROM and error <= WORST_ROTATION_ERROR_DEGREE
    print(
        f"the map is {'right' if right else 'WRONG'} (wanted: {WORST_RESOLUTION_ANGSTROM:.1f} A and "
        f"{WORST_ROTATION_ERROR_DEGREE:.0f} degrees, or better)"
    )
    picture(run / "map.mrc", folder / "picture.png")
    print(f"picture: {folder / 'picture.png'}\nreport: {reconstruction.report}")
    return 0 if right else 1


def picture(map_path: Path, path: Path) -> None:
    """Central slices above projections, side by side."""
    volume = read_map(map_path)[0].numpy()
    rows = [[Image.open(io.BytesIO(png)) for png in make(volume)] for make in (central_slices, projections)]
    side = rows[0][0].width
    canvas = Image.new("L", (3 * side, 2 * side))
    for y, row in enumerate(rows):
        for x, image in enumerate(row):
            canvas.paste(image, (x * side, y * side))
    canvas.resize((6 * side, 4 * side), Image.Resampling.BICUBIC).save(path)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent.parent / "demo"))
