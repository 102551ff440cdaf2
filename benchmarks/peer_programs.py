"""How each program is started, what it leaves on its way, and where its map and poses are in the end.

RELION's options are those that the GUI of RELION 3.1.3 gives by default (jobs made with `relion_pipeliner --addJob
InitialModel` and `Class3D`), but for the mask's diameter, the threads and what is said below.
"""

import os
import shutil
import sys
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path

from peer_particles import ParticleCopy

from cryofifa.after_run.volume import volume
from cryofifa.errors import InputError
from cryofifa.run.folder import RunFolder


@dataclass(frozen=True)
class Job:
    """What every program is given of one set.

    folder: of all runs on the set.
    day: of this call; runs that are ended in it bear it.
    mask_diameter_angstrom: for programs that must be told; ours finds it.
    symmetry: imposed.
    short: a few iterations, to prove the chain.
    """

    set_name: str
    folder: Path
    day: str
    copy: ParticleCopy
    mask_diameter_angstrom: float
    symmetry: str
    threads: int
    gpu: bool
    short: bool


class Program(ABC):
    """One program, run on one set in a folder of its own.

    after: the program whose map it begins with, and whose time counts.
    resumes: whether a run that was cut off goes on from its last checkpoint; else it is begun anew.
    daily: quick enough to be run every day; else once, and kept.
    """

    name: str
    after: str | None = None
    resumes = True
    daily = False

    def missing(self, job: Job) -> str | None:  # noqa: ARG002
        """Why it cannot be run here; None if it can."""
        return None

    @abstractmethod
    def next_command(self, job: Job, folder: Path, booked: list[str]) -> list[str] | None:
        """What to run next, after these checkpoints; None when all is done."""

    @abstractmethod
    def left(self, folder: Path) -> list[Path]:
        """Checkpoints so far, oldest first; their file times say when they came."""

    @abstractmethod
    def density(self, checkpoint: str, job: Job, folder: Path) -> Path | None:
        """The map of a checkpoint; None if there is none yet."""

    @abstractmethod
    def results(self, folder: Path, booked: list[str]) -> tuple[Path, Path]:
        """Map and STAR file of the poses."""


@dataclass(frozen=True)
class Ours(Program):
    """This program with its default settings; the map of a checkpoint is the network's at that time."""

    name: str
    options: tuple[str, ...] = ()
    settings: str = ""
    resumes = False
    daily = True

    def next_command(self, job: Job, folder: Path, booked: list[str]) -> list[str] | None:  # noqa: ARG002
        run, settings = RunFolder(folder / "run"), folder / "settings.toml"
        if run.summary.exists():
            return None
        short = "[curriculum]\nvisits = 1800\nstarts = 1\n[amortized]\nvisits = 1800\n"
        short += "[half_map_refinement]\niterations = 1\n"
        settings.write_text(self.settings + (short if job.short else ""), encoding="utf-8")
        command = [
            sys.executable,
            "-m",
            "cryofifa",
            "reconstruct",
            str(job.copy.star),
            "-o",
            str(run.path),
            "--seed",
            "1",
            "--symmetry",
            job.symmetry,
        ]
        return [*command, "--config", str(settings), "--device", "cuda" if job.gpu else "cpu", *self.options]

    def left(self, folder: Path) -> list[Path]:
        """Copies, for the run itself keeps its last checkpoint only."""
        run, kept = RunFolder(folder / "run"), sorted(folder.glob("left*"))
        if run.checkpoint.exists():
            changed = run.checkpoint.stat().st_mtime_ns
            if not kept or kept[-1].stat().st_mtime_ns != changed:
                copy = RunFolder(folder / f"left{len(kept):03d}")
                copy.checkpoint.parent.mkdir(parents=True)
                shutil.copy(run.settings, copy.settings)
                shutil.copy(run.checkpoint, copy.checkpoint)
                os.utime(copy.path, ns=(changed, changed))
                kept.append(copy.path)
        return kept

    def density(self, checkpoint: str, job: Job, folder: Path) -> Path | None:
        output = folder / f"{checkpoint}.mrc"
        try:
            return volume(folder / checkpoint, job.copy.box, job.copy.pixel_size_angstrom, output).path
        except InputError:  # a single start leaves a checkpoint before it has learned anything
            return None

    def results(self, folder: Path, booked: list[str]) -> tuple[Path, Path]:  # noqa: ARG002
        run = RunFolder(folder / "run")
        return run.map().combined, run.particles


class _RelionRefine(Program):
    """Any job of `relion_refine`."""

    root: str  # of its files' names

    def missing(self, job: Job) -> str | None:
        if job.gpu:
            return "Debian's relion_refine has no GPU code"
        return None if shutil.which("relion_refine") else "relion_refine is not on the PATH (Debian: package relion)"

    @abstractmethod
    def first_options(self, job: Job) -> list[str]:
        """What a fresh run is told; one that goes on has it in its own file."""

    @abstractmethod
    def iterations(self, job: Job) -> int:
        """How many in all."""

    def next_command(self, job: Job, folder: Path, booked: list[str]) -> list[str] | None:
        command = ["relion_refine", "--o", str(folder / self.root), "--j", str(job.threads)]
        command += ["--dont_combine_weights_via_disc", "--pool", "3", "--pad", "2", "--skip_gridding"]
        if not booked:
            return [*command, *self.first_options(job)]
        if booked[-1].startswith(f"{self.root}_it{self.iterations(job):03d}"):
            return None
        return [*command, "--continue", str(folder / booked[-1].replace("class001.mrc", "optimiser.star"))]

    def left(self, folder: Path) -> list[Path]:
        others = ("optimiser.star", "sampling.star", "model.star", "data.star")
        maps = sorted(folder.glob(f"{self.root}_it*_class001.mrc"))
        return [one for one in maps if all(Path(str(one).replace("class001.mrc", end)).exists() for end in others)]

    def density(self, checkpoint: str, job: Job, folder: Path) -> Path:  # noqa: ARG002
        return folder / checkpoint

    def results(self, folder: Path, booked: list[str]) -> tuple[Path, Path]:
        return folder / booked[-1], folder / booked[-1].replace("class001.mrc", "data.star")


class RelionInitialModel(_RelionRefine):
    """Stochastic gradient descent from nothing; its poses are those of each particle's last draw."""

    name, root = "relion", "run"

    def first_options(self, job: Job) -> list[str]:
        initial, between, final, every = self._iterations(job)
        first_subset, last_subset = (10, 20) if job.short else (100, 500)
        # RELION samples angles as finely as the resolution asks for: minutes per iteration at 15 A
        coarse, fine = (60, 60) if job.short else (35, 15)
        options = (
            f"--sgd_ini_iter {initial} --sgd_inbetween_iter {between} --sgd_fin_iter {final} --sgd_write_iter {every} "
            f"--sgd_ini_resol {coarse} --sgd_fin_resol {fine} --sgd_ini_subset {first_subset} "
            f"--sgd_fin_subset {last_subset} --sgd --denovo_3dref --ctf --K 1 --sym {job.symmetry} "
            "--flatten_solvent --zero_mask --oversampling 1 --healpix_order 1 --offset_range 6 --offset_step 4 "
            f"--particle_diameter {job.mask_diameter_angstrom:g} --random_seed 1"
        )
        return ["--i", str(job.copy.star), *options.split()]

    def iterations(self, job: Job) -> int:
        return sum(self._iterations(job)[:3])

    def _iterations(self, job: Job) -> tuple[int, int, int, int]:
        return (2, 2, 2, 2) if job.short else (50, 200, 50, 10)


class RelionRefinement(_RelionRefine):
    """Ten iterations of 3-D refinement from the initial model, as 3-D classification with one class and T = 1.

    Gold-standard auto-refinement needs MPI and three processes, so it cannot be given equal threads.
    """

    name, after, root = "relion-refine", RelionInitialModel.name, "refine"

    def first_options(self, job: Job) -> list[str]:
        before = RelionInitialModel()
        reference = job.folder / before.name / f"run_it{before.iterations(job):03d}_class001.mrc"
        options = (
            f"--ini_high 60 --ctf --ctf_corrected_ref --iter {self.iterations(job)} --tau2_fudge 1 --K 1 "
            f"--sym {job.symmetry} --flatten_solvent --zero_mask --oversampling 1 "
            f"--healpix_order {1 if job.short else 2} --offset_range 5 --offset_step 2 --norm --scale "
            f"--particle_diameter {job.mask_diameter_angstrom:g} --random_seed 1"
        )
        return ["--i", str(job.copy.star), "--ref", str(reference), *options.split()]

    def iterations(self, job: Job) -> int:
        return 1 if job.short else 10


@dataclass(frozen=True)
class CryoDrgn(Program):
    """`cryodrgn abinit` of cryoDRGN 4.3, homogeneous; on a CPU 5 epochs of 30, pretrained on each particle once.

    python: of cryoDRGN's own environment.
    """

    python: Path | None
    name: str = field(default="cryodrgn", init=False)

    def missing(self, job: Job) -> str | None:  # noqa: ARG002
        if self.python is None:
            return "give the Python of its environment with --cryodrgn-python"
        return (
            None if self._program().exists() else f"no cryodrgn beside {self.python.name}: pip install cryodrgn there"
        )

    def next_command(self, job: Job, folder: Path, booked: list[str]) -> list[str] | None:
        ctf, output, poses = folder / "ctf.pkl", folder / "out", folder / "poses.star"
        if not ctf.exists():
            return [str(self._program()), "parse_ctf_star", str(job.copy.star), "-o", str(ctf)]
        epochs = 30 if job.gpu else 2 if job.short else 5
        if not booked or booked[-1] != f"reconstruct.{epochs}.mrc":
            command = [str(self._program()), "abinit", str(job.copy.stack), "--ctf", str(ctf), "-o", str(output)]
            # its CTF is minus ours and it negates the images, so bright protein needs no --uninvert-data
            command += f"--zdim 0 --no-analysis --seed 1 --num-epochs {epochs}".split()
            if not job.gpu:
                command += ["--checkpoint", "1", "--n-imgs-pretrain", str(job.copy.particles)]
            if job.short:
                command += ["--epochs-pose-search", "1", "--l-end", "12", "--base-healpy", "1", "--niter", "1"]
                command += ["--nkeptposes", "1", "--t-ngrid", "3", "--dim", "64"]
            if booked:
                epoch = _epoch(Path(booked[-1]))
                command += ["--load", str(output / f"weights.{epoch}.pkl")]
                command += ["--load-poses", str(output / f"pose.{epoch}.pkl")]
            return command
        if not poses.exists():
            command = [str(self._program("cryodrgn_utils")), "write_star", str(job.copy.stack), "--ctf", str(ctf)]
            return [*command, "--poses", str(output / f"pose.{epochs}.pkl"), "-o", str(poses)]
        return None

    def left(self, folder: Path) -> list[Path]:
        output = folder / "out"
        # the network's state is what it writes last
        return [
            one
            for one in sorted(output.glob("reconstruct.*.mrc"), key=_epoch)
            if (output / f"weights.{_epoch(one)}.pkl").exists()
        ]

    def density(self, checkpoint: str, job: Job, folder: Path) -> Path:  # noqa: ARG002
        return folder / "out" / checkpoint

    def results(self, folder: Path, booked: list[str]) -> tuple[Path, Path]:
        return folder / "out" / booked[-1], folder / "poses.star"

    def _program(self, name: str = "cryodrgn") -> Path:
        assert self.python is not None
        return self.python.absolute().parent / name


def _epoch(path: Path) -> int:
    return int(path.name.split(".")[1])


def programs(cryodrgn_python: Path | None) -> dict[str, Program]:
    """All, by name; ours first, so that they are there when an hour-long run is stopped."""
    every = (
        Ours("ours"),
        Ours("ours-amortized", ("--pose-mode", "amortized")),
        Ours("ours-refine", settings="[encoder_refinement]\nepochs = 4\n"),
        RelionInitialModel(),
        RelionRefinement(),
        CryoDrgn(cryodrgn_python),
    )
    return {program.name: program for program in every}
