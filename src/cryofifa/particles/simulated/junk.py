"""Junk: rows of a simulated set that hold something else in place of a particle."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Complex
from torch import Tensor

from cryofifa.particles.simulated.junk_kinds import (
    Aggregate,
    AnotherMolecule,
    CarbonEdge,
    Fragment,
    Ice,
    JunkKind,
    Nothing,
    Two,
)
from cryofifa.particles.simulated.random_streams import Stream, generator_of
from cryofifa.particles.simulated.scene import Scene
from cryofifa.particles.simulated.simulated_set import JUNK_KINDS
from cryofifa.settings.sample import SolventSettings


@dataclass(frozen=True)
class Junk:
    """The junk of a set: what is in its rows that hold no particle.

    kinds: by their names in `JUNK_KINDS`; those alone that the set has.
    """

    scene: Scene
    kinds: dict[str, JunkKind]

    @classmethod
    def of_scene(cls, scene: Scene, snr: float, solvent: SolventSettings) -> Junk:
        """The kinds that the scene's rows ask for."""
        makers = {
            "noise": Nothing,
            "ice": Ice,
            "molecule": lambda: AnotherMolecule.beside(scene, snr, solvent),
            "edge": CarbonEdge,
            "aggregate": Aggregate,
            "fragment": lambda: Fragment.of_scene(scene, generator_of(scene.seed, Stream.FRAGMENTS)),
            "two": Two,
        }
        used = {JUNK_KINDS[kind] for kind in scene.drawn.junk_kind if kind >= 0}
        return cls(scene, {name: make() for name, make in makers.items() if name in used})

    def in_place_of(self, transform: Complex[Tensor, "n points"], rows: range) -> Complex[Tensor, "n points"]:
        """Fourier values of the images of these rows, with those that are junk replaced."""
        replaced = transform.clone()
        for place, row in enumerate(rows):
            kind = self.scene.drawn.junk_kind[row]
            if kind >= 0:
                generator = generator_of(self.scene.seed, Stream.JUNK, row)
                replaced[place] = self.kinds[JUNK_KINDS[kind]].transform(self.scene, row, generator)
        return replaced
