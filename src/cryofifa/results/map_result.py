"""One map of a run with its verdict and resolution; a run's results hold one for each class."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from cryofifa.half_map_refinement.half_maps import HalfMaps
from cryofifa.mrc_map import write_map
from cryofifa.results.directional_fsc import DirectionalFsc
from cryofifa.results.fsc import write_fsc_csv
from cryofifa.results.gold_standard import MaskedFsc
from cryofifa.results.local_resolution import local_resolution, quartiles_inside
from cryofifa.results.verdict import Evidence, Verdict, verdict_of
from cryofifa.run.map_files import MapFiles


@dataclass(frozen=True)
class MapResult:
    """A map and how far it can be trusted.

    Attributes:
        maps: the map, its halves and their FSC inside a soft sphere.
        mask: from 0 to 1, inside which the halves were compared.
        curves: FSC curves of the halves inside the mask, corrected for the mask.
        directional: the same along every direction.
        decoder_map: the decoder's own volume, on the same grid.
        pixel_size_angstrom: of that grid.
        particle_radius_angstrom: the particle's radius as the map shows it.
        sampling_compensation_factor: SCF* of the views, 1 if they are even.
        verdict: one word on how far the map can be trusted, with the reasons.
        resolution_fsc0143_angstrom, resolution_fsc05_angstrom: where the corrected FSC falls under 0.143 and 0.5; None
            where the verdict lets no resolution count.
        local_resolution_angstrom: at every voxel; None where the halves do not agree beyond what they shared.
    """

    maps: HalfMaps
    mask: Float[Tensor, "z y x"]
    curves: MaskedFsc
    directional: DirectionalFsc
    decoder_map: Float[Tensor, "z y x"]
    pixel_size_angstrom: float
    particle_radius_angstrom: float
    sampling_compensation_factor: float
    verdict: Verdict
    resolution_fsc0143_angstrom: float | None
    resolution_fsc05_angstrom: float | None
    local_resolution_angstrom: Float[Tensor, "z y x"] | None

    @classmethod
    def judged(
        cls,
        maps: HalfMaps,
        mask: Float[Tensor, "z y x"],
        curves: MaskedFsc,
        directional: DirectionalFsc,
        decoder_map: Float[Tensor, "z y x"],
        pixel_size_angstrom: float,
        particle_radius_angstrom: float,
        evidence: Evidence,
    ) -> MapResult:
        """Judge a map: resolution, verdict and, where the verdict and the halves allow it, local resolution.

        The arguments are as the attributes above, and:

        Args:
            evidence: what the run says for and against this map.
        """
        at_05 = curves.resolution_angstrom(0.5, maps.combined.shape[-1] * pixel_size_angstrom)
        verdict = verdict_of(evidence)
        local = None
        if verdict.resolution_counts and evidence.confirmed_by_halves:  # what they share agrees at every voxel
            local = local_resolution(*maps.unfiltered, mask, pixel_size_angstrom)
        return cls(
            maps=maps,
            mask=mask,
            curves=curves,
            directional=directional,
            decoder_map=decoder_map,
            pixel_size_angstrom=pixel_size_angstrom,
            particle_radius_angstrom=particle_radius_angstrom,
            sampling_compensation_factor=evidence.sampling_compensation_factor,
            verdict=verdict,
            resolution_fsc0143_angstrom=evidence.resolution_angstrom if verdict.resolution_counts else None,
            resolution_fsc05_angstrom=at_05 if verdict.resolution_counts else None,
            local_resolution_angstrom=local,
        )

    @property
    def resolution_best_direction_angstrom(self) -> float | None:
        """Resolution along the best direction; None where the verdict lets no resolution count."""
        return float(self.directional.resolution_angstrom.min()) if self.verdict.resolution_counts else None

    @property
    def resolution_worst_direction_angstrom(self) -> float | None:
        """Resolution along the worst direction; None where the verdict lets no resolution count."""
        return float(self.directional.resolution_angstrom.max()) if self.verdict.resolution_counts else None

    @property
    def local_resolution_quartiles_angstrom(self) -> tuple[float, float, float] | None:
        """Quartiles (25, 50 and 75 %) of the local resolution inside the mask; None where there is none."""
        local = self.local_resolution_angstrom
        return None if local is None else quartiles_inside(local, self.mask)

    def write(self, files: MapFiles) -> None:
        """Write all files of the map, in a folder that is made if absent; each is written whole or not at all."""
        files.folder.mkdir(parents=True, exist_ok=True)
        volumes = {files.combined: self.maps.combined, files.decoder: self.decoder_map, files.mask: self.mask}
        volumes |= dict(zip(files.halves, self.maps.unfiltered, strict=True))
        if self.local_resolution_angstrom is not None:
            volumes[files.local_resolution] = self.local_resolution_angstrom
        for path, volume in volumes.items():
            write_map(path, volume.cpu(), self.pixel_size_angstrom)
        box_angstrom = self.maps.combined.shape[-1] * self.pixel_size_angstrom
        curves = {name: curve.cpu() for name, curve in vars(self.curves).items()}
        write_fsc_csv(files.fsc, self.maps.fsc.cpu(), box_angstrom, curves)
