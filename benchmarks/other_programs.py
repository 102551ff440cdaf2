"""What RELION and cryosparc-tools say of our files, and we of theirs, on a small simulated set; minutes on one core.

    python benchmarks/other_programs.py                          # RELION alone (Debian: package relion)
    python benchmarks/other_programs.py --cryosparc PYTHON       # and cryosparc-tools of that Python

Run from the folder that each file says it opens in. Ends with exit code 1 if anything is refused or read otherwise.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from cryofifa.particles.files.cs_writer import write_particles_cs
from cryofifa.particles.files.read import read_particles
from cryofifa.particles.files.star import read_star
from cryofifa.particles.files.star_tables import read_star_tables
from cryofifa.particles.files.star_writer import write_particles_star, write_star_elsewhere
from cryofifa.particles.poses import Poses
from cryofifa_testkit.particle_files import OPTICS, PARTICLES, changed, cs_records, write_cs, write_stack, write_star

COUNT, BOX = 40, 32
FOLDERS = ("plain", "with blank", "a@t", "co:lon", "it's", "préparation")  # RELION opens no path with a '#'
# Forms of a STAR file, each a replacement in a plain one.
FORMS = {
    "as it is": ("", ""),
    "empty line after loop_": ("loop_\n", "loop_\n\n"),
    "comment between labels": ("_rlnDefocusV", "# CTF\n_rlnDefocusV"),
    "remark between labels": ("_rlnDefocusV", "; CTF\n_rlnDefocusV"),
    "comment at a row's end": ("45.0 1\n", "45.0 1 # the first\n"),
    "tabs": (" 10000.0 ", "\t10000.0\t"),
    "quotes": ("000001@stack.mrcs", "'000001@stack.mrcs'"),
    "a byte-order mark": ("data_optics", "\ufeffdata_optics"),
}


def main() -> int:
    options = _options()
    if shutil.which("relion_reconstruct") is None:
        sys.exit("relion_reconstruct is not installed (Debian: package relion)")
    with tempfile.TemporaryDirectory() as name:
        results = [*_forms(Path(name)), *_written(Path(name)), *_cryosparc(Path(name), options.cryosparc)]
    for what, good in results:
        print(f"{'right' if good else 'WRONG'}  {what}")
    return 0 if all(good for _, good in results) else 1


def _forms(work: Path) -> Iterator[tuple[str, bool]]:
    """RELION's reading of each form, written again by RELION, is ours."""
    whole = write_star(work / "plain.star").read_text()
    for what, (old, new) in FORMS.items():
        given, theirs = work / "form.star", work / "relion.star"
        given.write_text(whole.replace(old, new, 1), encoding="utf-8")
        _run(["relion_star_handler", "--i", given.name, "--o", theirs.name], work)
        ours, again = (read_star_tables(path)[0]["particles"] for path in (given, theirs))
        same = list(ours["rlnImageName"]) == list(again["rlnImageName"])
        yield f"STAR read by both: {what}", same and len(ours["rlnDefocusU"]) == len(PARTICLES["rlnDefocusU"])


def _written(work: Path) -> Iterator[tuple[str, bool]]:
    """RELION reconstructs from what we write, started in the folder that the names hold from."""
    rng = np.random.default_rng(1)
    half = torch.arange(COUNT) % 2 + 1
    rotation = torch.from_numpy(Rotation.random(COUNT, rng=rng).as_matrix())
    score = torch.linspace(0, 2, COUNT, dtype=torch.float64)
    score[COUNT // 2] = torch.nan
    poses = Poses.found(rotation, torch.zeros(COUNT, 2, dtype=torch.float64), score=score, half=half)
    images = rng.normal(size=(COUNT, BOX, BOX)).astype(np.float32)
    made, run = work / "relion.mrc", work / "run"  # RELION's own names cannot have all that those of images can
    run.mkdir()
    star = run / "particles.star"
    for folder in FOLDERS:
        for suffix in (".mrcs", ".mrc"):
            project = work / folder
            write_stack(project / "J1" / f"s{suffix}", images)
            records = cs_records(COUNT, BOX)
            records["blob/path"] = f"J1/s{suffix}".encode()
            write_particles_star(star, read_particles(write_cs(project / "particles.cs", records)), poses)
            yield f"relion_reconstruct in the run's folder: {folder}/J1/s{suffix}", _reconstructs(star, run, made)
            whole = read_star(star, find_stacks=False)
            write_star_elsewhere(run / "project.star", whole, project)
            yield f"  in the project's folder: {folder}", _reconstructs(run / "project.star", project, made)
            write_star_elsewhere(run / "absolute.star", whole, None)
            yield f"  anywhere, absolute names: {folder}", _reconstructs(run / "absolute.star", Path("/"), made)
    chosen = run / "chosen.star"
    select = ["--select", "rlnParticleFigureOfMerit", "--minval", "0.5"]
    _run(["relion_star_handler", "--i", star.name, "--o", chosen.name, *select], run)
    wanted, found = int((torch.nan_to_num(score) >= 0.5).sum()), read_star_tables(chosen)[0]["particles"]
    yield f"relion_star_handler selects the {wanted} of score 0.5 and more", len(found["rlnImageName"]) == wanted


def _reconstructs(star: Path, folder: Path, made: Path) -> bool:
    made.unlink(missing_ok=True)
    _run(["relion_reconstruct", "--i", str(star), "--o", str(made), "--ctf"], folder)
    return made.is_file()


def _cryosparc(work: Path, python: str | None) -> Iterator[tuple[str, bool]]:
    """cryosparc-tools reads what we write; what it writes as CSDAT is named, and read once saved as we say."""
    if python is None:
        return
    write_stack(work / "stack.mrcs", np.zeros((3, 8, 8), dtype=np.float32))
    names = [f"{number}@stack.mrcs" for number in (1, 3, 2)]
    table = read_particles(write_star(work / "a.star", changed(PARTICLES, rlnImageName=names), OPTICS))
    rotation = torch.from_numpy(Rotation.random(3, rng=np.random.default_rng(2)).as_matrix())
    poses = Poses.found(rotation, torch.zeros(3, 2, dtype=torch.float64), half=torch.ones(3, dtype=torch.int64))
    poses.score = torch.ones(3, dtype=torch.float64)
    write_particles_cs(work / "ours.cs", table, poses)
    script = "from cryosparc.dataset import *; d = Dataset.load('ours.cs'); print(len(d), d['blob/path'][0]); "
    script += "d.save('csdat.cs', format=CSDAT_FORMAT); Dataset.load('csdat.cs').save('numpy.cs')"
    said = _run([python, "-c", script], work)
    yield f"cryosparc-tools reads our .cs: {said.strip()}", said.split() == ["3", str((work / "stack.mrcs").resolve())]
    again = read_particles(work / "numpy.cs")
    yield "its numpy format is read", bool(np.allclose(again.defocus_u_angstrom, table.defocus_u_angstrom))


def _run(command: list[str], folder: Path) -> str:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False).stdout


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cryosparc", metavar="PYTHON", help="a Python that has cryosparc-tools")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
