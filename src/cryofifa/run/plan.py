"""The plan of a run: sizes, stages, starts, and roughly the memory and time that they take."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch

from cryofifa.names import ENCODER_REFINEMENT, HALF_MAP_REFINEMENT
from cryofifa.particles.kept_images import image_bytes
from cryofifa.particles.noise_spectrum import NoiseSpectrum
from cryofifa.particles.particle_size import ParticleSize
from cryofifa.particles.preprocess import Frame
from cryofifa.particles.signal_spectrum import SignalSpectrum, signal_spectrum_from_json
from cryofifa.settings.config import Config, PoseMode
from cryofifa.stochastic_em.schedule import StartSchedule
from cryofifa.system.memory import GIB
from cryofifa.train.curriculum import Curriculum, stage_at
from cryofifa.train.search_start import SearchSchedule

# Seconds that a particle takes in each epoch, and in addition per Fourier point of the mask, on two cores of a 2023
# server, in order of magnitude. Measured: 100,000 guided visits take 47 s (gpcr) and 45 s (ribosome), as the search
# hardly depends on the mask; 30,000 amortized visits of gpcr take 150 s of CPU time, 20,000 of the refinement at 64 px
# 240 to 300 s.
SECONDS_PER_VISIT = 4e-4
SECONDS_PER_POINT: dict[PoseMode, float] = {"guided": 1e-6, "amortized": 2.5e-5}
SECONDS_PER_START_POINT = 3e-6  # of a start, whose images are compared with 2,000 orientations; measured on gpcr
REFINEMENT_SECONDS_PER_POINT = 1e-5
SECONDS_PER_HALF_MAP_POINT = 2.5e-6


# What starts are compared by: the power of the particles that a start explains, or how well its half maps agree beyond
# what they shared, after one iteration of half-map refinement.
StartJudge = Literal["explained power", "half maps"]


@dataclass(frozen=True)
class RunPlan:
    """The plan of one run; it is stored with the run and used again when that is resumed.

    Attributes:
        pose_mode: guided or amortized.
        particles: how many there are.
        box_size, pixel_size_angstrom: of the input's images.
        particle_radius_angstrom: as the run begins with it; `ParticleSize` follows how it changes.
        shift_range_angstrom: the largest shift that a particle may be given.
        noise: power spectrum of the images' noise.
        ab_initio_particles: how many of the particles take part in ab initio.
        ab_initio_frame, full_size_frame: window, box and pixel size of the images in ab initio, and after it.
        half_map_iterations: iterations of half-map refinement, not counting repeated searches.
        curriculum: of ab initio.
        start_schedule: of every independent start, by stochastic expectation maximisation or by search; None in
            amortized mode, which has none.
        least_starts, most_starts: how many independent starts there are; they end as soon as two agree.
        start_judge: what they are compared by.
        signal: spectra of the images' signal.
        shared_by_filter_angstrom: resolution down to which a map filter gives both halves the same; None where it does
            not.
        encoder_refinement: curriculum of the second encoder; None where there is none. A Fourier pixel is the same in
            both frames.
    """

    pose_mode: PoseMode
    particles: int
    box_size: int
    pixel_size_angstrom: float
    particle_radius_angstrom: float
    shift_range_angstrom: float
    noise: NoiseSpectrum
    ab_initio_particles: int
    ab_initio_frame: Frame
    full_size_frame: Frame
    half_map_iterations: int
    curriculum: Curriculum
    start_schedule: StartSchedule | SearchSchedule | None
    least_starts: int
    most_starts: int
    start_judge: StartJudge
    signal: SignalSpectrum
    shared_by_filter_angstrom: float | None
    encoder_refinement: Curriculum | None

    def particle_size(self, config: Config) -> ParticleSize:
        """The particle's size as the run begins with it."""
        return ParticleSize(self.particle_radius_angstrom, config.diameter_angstrom is not None, config.image)

    def resolution_at(self, progress: float) -> float:
        """Resolution in angstrom of ab initio's Fourier mask at a progress from 0 to 1, after the starts."""
        return self.ab_initio_frame.extent_angstrom / stage_at(self.curriculum, progress).mask_radius

    @property
    def first_resolution_angstrom(self) -> float:
        """Resolution in angstrom of the run's first Fourier mask."""
        schedule = self.start_schedule
        return (
            self.resolution_at(0) if schedule is None else self.ab_initio_frame.extent_angstrom / schedule.first_radius
        )

    @property
    def shared_resolution_angstrom(self) -> float:
        """Resolution in angstrom down to which both halves have something in common: the decoder, or a map filter."""
        curriculum = self.encoder_refinement or self.curriculum
        by_decoder = self.ab_initio_frame.extent_angstrom / curriculum.end_radius
        return min(by_decoder, self.shared_by_filter_angstrom or by_decoder)

    @property
    def shared_shell(self) -> int:
        """The shell of the final map's FSC at the shared resolution."""
        return round(self.box_size * self.pixel_size_angstrom / self.shared_resolution_angstrom)

    @property
    def copy_distance_angstrom(self) -> float:
        """Picks of one micrograph within this distance may both be centred on the same particle."""
        return 2 * self.shift_range_angstrom

    @property
    def usual_start_epochs(self) -> int:
        """Epochs of a start that rests once its mask has grown; 0 where there are no starts."""
        return 0 if self.start_schedule is None else self.start_schedule.usual_epochs

    @property
    def judges_by_matching(self) -> bool:
        """Whether every start, and the end of ab initio, is judged by half maps, which takes projection matching."""
        return self.start_judge == "half maps"

    @property
    def least_bytes(self) -> int:
        """Rough memory in bytes without any images: the program, and the final map's sums, transforms and halves."""
        return GIB // 2 + 12 * 4 * (2 * self.box_size) ** 3

    @property
    def images_bytes(self) -> int:
        """Memory in bytes that the images of both frames take where all are kept."""
        refined = 0 if self.encoder_refinement is None else self.ab_initio_particles
        refined_later = self.particles if self.half_map_iterations else 0
        return image_bytes(self.ab_initio_frame, self.ab_initio_particles) + image_bytes(
            self.full_size_frame, refined + refined_later
        )

    @property
    def cpu_minutes(self) -> float:
        """Rough minutes on two CPU cores; a GPU takes half of it for small images, a small fraction for large ones."""
        learning = self._learning_seconds(self.curriculum, self.curriculum.epochs, SECONDS_PER_POINT[self.pose_mode])
        if self.start_schedule is not None:
            learning += self.least_starts * self._start_seconds(self.start_schedule)
        if self.encoder_refinement is not None:
            learning += self._learning_seconds(
                self.encoder_refinement, self.encoder_refinement.epochs, REFINEMENT_SECONDS_PER_POINT
            )
        half_map_points = math.pi / 8 * self.full_size_frame.box_size**2
        judged = self.least_starts + 1 if self.judges_by_matching else 0
        visits = self.particles * self.half_map_iterations + self.ab_initio_particles * judged
        half_maps = visits * half_map_points * SECONDS_PER_HALF_MAP_POINT
        return (20 + learning + half_maps) / 60

    def _learning_seconds(self, curriculum: Curriculum, epochs: int, seconds_per_point: float) -> float:
        points = [math.pi / 2 * stage_at(curriculum, step / 50).mask_radius ** 2 for step in range(50)]
        return self.ab_initio_particles * epochs * (SECONDS_PER_VISIT + sum(points) / 50 * seconds_per_point)

    def _start_seconds(self, schedule: StartSchedule | SearchSchedule) -> float:
        """Rough seconds of one start."""
        if isinstance(schedule, SearchSchedule):
            return self._learning_seconds(schedule.curriculum, schedule.usual_epochs, SECONDS_PER_POINT["guided"])
        points = math.pi / 2 * schedule.last_radius**2
        return schedule.usual_epochs * self.ab_initio_particles * points * SECONDS_PER_START_POINT

    def describe(self) -> str:
        """The plan in a few lines, for --dry-run and the log."""
        frame = self.ab_initio_frame
        rows = [
            ("particles", f"{self.particles}, box {self.box_size} px, {self.pixel_size_angstrom:.4g} A/px"),
            ("particle radius", f"{self.particle_radius_angstrom:.0f} A"),
            ("shifts", f"up to {self.shift_range_angstrom:.0f} A"),
            ("noise", self._describe_noise()),
            ("information", self._describe_signal()),
            (
                "ab initio",
                f"{self.ab_initio_particles} particles, window {frame.window_pixel} px sampled to "
                f"{frame.box_size} px of {frame.pixel_size_angstrom:.3g} A",
            ),
            ("starts", self._describe_starts()),
            ("stages", self._describe_stages()),
            (ENCODER_REFINEMENT, self._describe_refinement()),
            (
                HALF_MAP_REFINEMENT,
                f"{self.half_map_iterations} iterations at {self.full_size_frame.box_size} px, or until poses settle",
            ),
            ("memory", f"about {self.least_bytes / GIB:.1f} GiB, and {self.images_bytes / GIB:.1f} GiB for images"),
            ("time", f"about {self.cpu_minutes:.0f} min on two CPU cores"),
        ]
        return "\n".join(f"{name:<20} {text}" for name, text in rows)

    def _describe_starts(self) -> str:
        schedule = self.start_schedule
        if schedule is None:
            return "none"
        extent, many = self.ab_initio_frame.extent_angstrom, f"{self.least_starts} to {self.most_starts}"
        return (
            (str(self.most_starts) if self.least_starts == self.most_starts else f"{many}, until two agree")
            + f", masks from {extent / schedule.first_radius:.0f} to {extent / schedule.last_radius:.1f} A, "
            + f"compared by {self.start_judge}"
        )

    def _describe_signal(self) -> str:
        """How much the images tell of a pose by frequency."""
        extent, schedule = self.ab_initio_frame.extent_angstrom, self.start_schedule
        radii = () if schedule is None else (schedule.first_radius, schedule.last_radius)
        ends = (*(extent / radius for radius in radii), 2 * self.pixel_size_angstrom)
        told = ", ".join(f"{self.signal.information_to(end):.0f} to {end:.1f} A" for end in ends)
        return f"{told} (some 12 choose among poses)"

    def _describe_stages(self) -> str:
        c, end = self.curriculum, f"{self.resolution_at(1):.1f} A"
        if c.start_radius == c.end_radius:
            return f"{c.epochs} epochs at {end} from the best start's poses"
        return f"{c.mask_steps} masks over {c.epochs} epochs, {self.resolution_at(0):.0f} A to {end}"

    def _describe_noise(self) -> str:
        ends = (self.first_resolution_angstrom, self.resolution_at(1))
        power = self.noise.at(1 / torch.tensor(ends)).tolist()
        return ", ".join(f"{n:.2g} at {end:.1f} A" for n, end in zip(power, ends, strict=True)) + " (white: 1)"

    def _describe_refinement(self) -> str:
        r, extent = self.encoder_refinement, self.full_size_frame.extent_angstrom
        if r is None:
            return "none"
        return (
            f"{r.mask_steps} masks over {r.epochs} epochs, {extent / r.start_radius:.0f} A to "
            f"{extent / r.end_radius:.1f} A at {self.full_size_frame.box_size} px"
        )


def plan_from_json(values: dict) -> RunPlan:
    """The plan of which `dataclasses.asdict` gave these values, as JSON has kept them."""
    nested = {
        "noise": NoiseSpectrum(values["noise"]["extent_angstrom"], tuple(values["noise"]["power"])),
        "signal": signal_spectrum_from_json(values["signal"]),
        "start_schedule": _start_schedule_from_json(values["start_schedule"]),
        "ab_initio_frame": Frame(**values["ab_initio_frame"]),
        "full_size_frame": Frame(**values["full_size_frame"]),
        "curriculum": Curriculum(**values["curriculum"]),
        "encoder_refinement": None
        if values["encoder_refinement"] is None
        else Curriculum(**values["encoder_refinement"]),
    }
    return RunPlan(**{**values, **nested})


def _start_schedule_from_json(values: dict | None) -> StartSchedule | SearchSchedule | None:
    if values is None:
        return None
    if "curriculum" in values:
        return SearchSchedule(**{**values, "curriculum": Curriculum(**values["curriculum"])})
    return StartSchedule(**values)
