"""The output files of the states within a run: maps, particles, differences, maps along components, report."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from cryofifa.mrc_map import write_map
from cryofifa.particles.files.star_writer import write_particles_star
from cryofifa.particles.poses import Poses, known
from cryofifa.physics.fourier import rescale_volume, window_centre
from cryofifa.results.finished_run import FinishedRun
from cryofifa.results.report.contents import MapPart
from cryofifa.results.report.states_page import DifferencePart, StatesPage, write_states_page
from cryofifa.results.state_maps import StateMap, StateMaps, write_state_map
from cryofifa.results.states_summary import FoundDifference, FoundPlace, FoundState, FoundStates
from cryofifa.run.state_files import StateFiles
from cryofifa.variability.analysis import Analysis
from cryofifa.variability.difference import MapDifference, difference
from cryofifa.variability.real_components import LEAST_GAIN

MOST_SERIES, PLACES = 3, 8  # components that maps are made along, and maps along each; our choice
PROBABILITY_LABEL, COORDINATE_LABEL = "cryofifaStateProbability", "cryofifaComponent"


@dataclass(frozen=True)
class StateOutputs:
    """Writes all that an analysis has found.

    Attributes:
        run: the finished run.
        analysis: what was found of its particles.
        mask: from 0 to 1, on the map's grid: where variability was looked for, and maps are compared.
        makes: makes the maps.
    """

    run: FinishedRun
    analysis: Analysis
    mask: Float[Tensor, "z y x"]
    makes: StateMaps

    @property
    def files(self) -> StateFiles:
        """Where the files lie."""
        return self.run.folder.states

    def write(self, components: int, started: float) -> FoundStates:
        """Write all files but states.json, and return the result.

        Args:
            components: how many components were looked for.
            started: when the analysis began, by the monotonic clock.
        """
        analysis, pixel_size = self.analysis, self.run.images.pixel_size_angstrom
        probability = analysis.probabilities
        state = probability.argmax(dim=1)
        count = probability.shape[1]
        self._write_particles(state, probability.max(dim=1).values)
        self._write_components()
        maps = [self.makes.of(analysis.members[state == index]) for index in range(count)] if count > 1 else []
        for number, one in enumerate(maps, 1):
            write_state_map(one, self.files.state(number), self.mask, pixel_size)
        differences = self._write_differences(maps)
        series = [self._write_series(index) for index in range(min(analysis.components.count, MOST_SERIES))]
        states = []
        for index in range(count):
            mine, made = state == index, maps[index] if maps else None
            states.append(
                FoundState(
                    int(mine.sum()),
                    float(probability[mine, index].mean()) if bool(mine.any()) else 0.0,
                    made.resolution_fsc0143_angstrom if made else None,
                    made.resolution_fsc05_angstrom if made else None,
                )
            )
        spectrum, mixture = analysis.spectrum, analysis.states
        found = FoundStates(
            files=self.files,
            particles=len(self.run.images.listed),
            junk=len(self.run.images.listed) - len(analysis.members),
            components=components,
            real_components=spectrum.real,
            gain_over_error=spectrum.gain_over_error,
            power=spectrum.power,
            resolution_angstrom=analysis.resolution_angstrom,
            criterion=() if mixture is None else mixture.criterion,
            is_motion=mixture is not None and mixture.is_motion,
            some_hang_together=mixture is not None and mixture.some_hang_together,
            states=tuple(states),
            differences=tuple(one for one, _ in differences),
            along=tuple(places for places, _ in series),
            seconds=time.monotonic() - started,
        )
        page = StatesPage(
            title=f"{self.run.images.table.source_path.stem}: states",
            run=str(self.run.folder.path),
            found=found,
            least_gain=LEAST_GAIN,
            coordinate=analysis.coordinates.numpy(),
            state=state.numpy(),
            score=known(self.run.poses.score).cpu().numpy()[analysis.members.numpy()],
            maps=[self._part(one, f"state {number}") for number, one in enumerate(maps, 1)],
            differences=[
                DifferencePart(one, made.deviations.cpu().numpy(), made.inside.cpu().numpy())
                for one, made in differences
            ],
            series=[[volume.cpu().numpy() for volume in volumes] for _, volumes in series],
        )
        write_states_page(self.files.report, page)
        return found

    def _write_particles(self, state: Int[Tensor, " m"], probability: Float[Tensor, " m"]) -> None:
        """Write the particles of all states, and those of each; class 0 is junk."""
        images, poses = self.run.images, self.run.recorded_poses
        table, absolute = images.listed, self.run.config.absolute_paths
        places = images.places(self.analysis.members.numpy())
        class_index = torch.full((len(table),), -1)
        class_index[torch.from_numpy(places)] = state
        certain = np.zeros(len(table))
        certain[places] = probability.numpy()
        columns = {PROBABILITY_LABEL: certain}
        coordinates = self.analysis.coordinates.numpy()
        for number in range(coordinates.shape[1]):
            column = np.full(len(table), np.nan)
            column[places] = coordinates[:, number]
            columns[f"{COORDINATE_LABEL}{number + 1}"] = column
        classed = Poses(**{**poses.columns(), "class_index": class_index})
        write_particles_star(self.files.particles, table, classed, absolute_names=absolute, more=columns)
        for index in range(int(state.max()) + 1 if self.analysis.states is not None else 0):
            rows = (class_index == index).nonzero()[:, 0]
            path = self.files.particles_of(index + 1)
            path.parent.mkdir(exist_ok=True)
            mine = {label: values[rows.numpy()] for label, values in columns.items()}
            some = table.select(rows.numpy()), classed.select(rows)
            write_particles_star(path, *some, absolute_names=absolute, more=mine)

    def _write_components(self) -> None:
        """Write the mean volume and the components, on the map's grid."""
        components, images = self.analysis.components, self.run.images
        if components.count == 0:
            return
        paths = [self.files.mean, *(self.files.component(number) for number in range(1, components.count + 1))]
        for path, volume in zip(paths, components.volume, strict=True):
            fine = window_centre(rescale_volume(volume, self.run.window_pixel), images.table.box_size, 3)
            write_map(path, fine.cpu(), images.pixel_size_angstrom)

    def _write_differences(self, maps: list[StateMap]) -> list[tuple[FoundDifference, MapDifference]]:
        """Write the difference of every pair of states, the larger state first."""
        found, pixel_size = [], self.run.images.pixel_size_angstrom
        for first in range(len(maps)):
            for second in range(first + 1, len(maps)):
                made = difference(maps[first].maps, maps[second].maps, self.mask)
                numbers = first + 1, second + 1
                write_map(self.files.difference(*numbers), made.density.cpu(), pixel_size)
                write_map(self.files.deviations(*numbers), made.deviations.cpu(), pixel_size)
                gained, lost = (voxels * pixel_size**3 for voxels in (made.gained, made.lost))
                found.append((FoundDifference(*numbers, made.threshold, gained, lost), made))
        return found

    def _write_series(self, index: int) -> tuple[tuple[FoundPlace, ...], list[Float[Tensor, "z y x"]]]:
        """Write maps along a component, each of an equal share of the particles in the order of their coordinates."""
        coordinate = self.analysis.coordinates[:, index]
        groups = coordinate.argsort().tensor_split(PLACES)
        volumes = self.makes.series([self.analysis.members[group] for group in groups])
        for place, volume in enumerate(volumes, 1):
            path = self.files.along(index + 1, place)
            path.parent.mkdir(exist_ok=True)
            write_map(path, volume.cpu(), self.run.images.pixel_size_angstrom)
        spread = float(coordinate.std())
        mean = [float(coordinate[group].mean() - coordinate.mean()) / max(spread, 1e-9) for group in groups]
        places = (FoundPlace(len(group), value) for group, value in zip(groups, mean, strict=True))
        return tuple(places), volumes

    def _part(self, made: StateMap, name: str) -> MapPart:
        return MapPart(
            volume=made.maps.combined.cpu().numpy(),
            pixel_size_angstrom=self.run.images.pixel_size_angstrom,
            fsc_curves={"corrected": made.curves.corrected.cpu().numpy()},
            resolution_angstrom={
                0.143: made.resolution_fsc0143_angstrom,
                0.5: made.resolution_fsc05_angstrom,
            },
            shared_resolution_angstrom=self.makes.shared_resolution_angstrom,
            name=name,
        )
