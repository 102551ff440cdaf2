"""Steps that a GPU records once and plays again: they ask for the same operations, and do what plain ones do.

Without a GPU a stand-in keeps the contract of a recording: what is given is copied to the same places, and a step must
ask for exactly what the first like it asked for, numbers that are no tensors and tensors from outside included.
"""

from collections.abc import Hashable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from cryofifa.particles.kept_images import ImagesInMemory
from cryofifa.particles.noise_spectrum import NoiseSpectrum
from cryofifa.settings.ab_initio import CurriculumSettings, SearchSettings
from cryofifa.settings.config import Config
from cryofifa.settings.decoders import DecoderSettings, FourierNetSettings
from cryofifa.settings.encoder import EncoderSettings
from cryofifa.train.ab_initio import AbInitio
from cryofifa.train.curriculum import Curriculum, stage_at
from cryofifa.train.encoder_refinement import EncoderRefinement
from cryofifa.train.step_graph import RecordedSteps, Step, StepGraph
from cryofifa.train.training_loop import TrainingLoop
from cryofifa_testkit.small_sets import simulated_working_set

SIZE, PIXEL, COUNT = 24, 6.0, 224
RADIUS_ANGSTROM, SHIFT_RANGE_ANGSTROM = 60.0, 25.0
CONFIG = Config(
    curriculum=replace(CurriculumSettings(), minibatch=32),
    encoder=replace(EncoderSettings(), channels=4, stages=2, feature_width=16),
    decoder=DecoderSettings(fourier_net=FourierNetSettings(width=16, modulant_layers=1, envelope_layers=1)),
    search=replace(SearchSettings(), orientations=100),
)
CURRICULUM = Curriculum(
    epochs=2,
    mask_steps=3,
    start_radius=2.5,
    end_radius=7.0,
    growth_share=0.9,
    global_search_share=0.6,
    encoder_share=0.3,
    keep_fraction_start=1.0,
    keep_fraction_end=0.8,
    keep_growth_share=0.5,
    temperature_start=0.5,
    disturbance_start_degree=0.0,
    disturbance_share=0.5,
    decoder_rate_end=0.2,
)
WAITS = {"aten::_local_scalar_dense", "aten::nonzero", "aten::lift_fresh"}  # the last: from the host's memory


class Asked(TorchDispatchMode):
    """What a step asks for, as a recording would hold it."""

    def __init__(self) -> None:
        super().__init__()
        self.operations: list[tuple] = []
        self._made: set[int] = set()
        self._outside: set[int] = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        leaves = tree_leaves((args, kwargs or {}))
        asked = tuple(self._place(leaf) if isinstance(leaf, Tensor) else repr(leaf) for leaf in leaves)
        found = func(*args, **(kwargs or {}))
        if func.namespace != "profiler":  # where an optimiser's step begins and ends
            self.operations.append((func.name(), asked))
        self._made |= {_memory(leaf) for leaf in tree_leaves(found) if isinstance(leaf, Tensor)} - self._outside
        return found

    def _place(self, tensor: Tensor) -> tuple:
        """A tensor from outside is read where it lies; those that the step has made lie anywhere."""
        memory = _memory(tensor)
        if memory not in self._made:
            self._outside.add(memory)
        return tuple(tensor.shape), tensor.dtype, memory if memory in self._outside else None


def _memory(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


class StandIn(StepGraph):
    """Computes every step, in the places of the first like it, and keeps what each asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[Hashable, list[tuple]]] = []
        self._kept: tuple[Tensor, ...] = ()

    def __call__(self, alike: Hashable, step: Step, *given: Tensor) -> Tensor:
        if alike != self._alike:
            self._alike = alike
            return step(*given)  # plans and tables are made now
        if not self.asked or self.asked[-1][0] != alike:
            self._kept = tuple(value.clone() for value in given)
        for kept, value in zip(self._kept, given, strict=True):
            kept.copy_(value)
        with Asked() as asked:
            found = step(*self._kept)
        self.asked.append((alike, asked.operations))
        return found


WAYS = {
    "guided": (AbInitio, {}),
    "guided, FourierNet": (AbInitio, {"decoder": {"kind": "FourierNet"}}),
    "guided, hash grid": (AbInitio, {"decoder": {"kind": "hash grid"}}),
    "guided, random turns": (AbInitio, {"encoder": {"augmentation": "random"}}),
    "guided, C2": (AbInitio, {"symmetry": "C2"}),
    "amortized": (AbInitio, {"pose_mode": "amortized"}),
    "encoder refinement": (EncoderRefinement, {}),
    "refinement, amortized": (EncoderRefinement, {"pose_mode": "amortized"}),
}


def training_of(way: str, device: str = "cpu") -> TrainingLoop:
    kind, settings = WAYS[way]
    curriculum = CURRICULUM if settings.get("pose_mode") != "amortized" else replace(CURRICULUM, encoder_share=0.0)
    ice = NoiseSpectrum(SIZE * PIXEL, tuple(np.linspace(2, 1, SIZE // 2)))
    known = simulated_working_set(COUNT, box=SIZE, pixel_size_angstrom=PIXEL, noise=ice)
    images = ImagesInMemory(known.image.read(torch.arange(COUNT)).to(device))
    known = replace(known, image=images, ctf=known.ctf.to(torch.device(device)))
    training = kind(CONFIG.changed(**settings), curriculum, known, RADIUS_ANGSTROM, SHIFT_RANGE_ANGSTROM)
    training.poses.posed[:] = True
    return training


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_steps_that_are_alike_ask_for_the_same(way):
    training = training_of(way)
    stand_in = StandIn()
    training.recorded_steps = RecordedSteps(stand_in)
    for epoch in range(2):
        before = len(stand_in.asked)
        training.train_epoch(epoch)
        first: dict[Hashable, list[tuple]] = {}
        for alike, operations in stand_in.asked[before:]:
            assert operations == first.setdefault(alike, operations)
            assert not WAITS & {name for name, _ in operations}
        assert len(stand_in.asked) - before > len(first) > 0


@pytest.mark.parametrize("way", ["guided", "encoder refinement"])
def test_given_tensors_a_step_is_what_it_is_given_numbers(way):
    """But for the last digits of the learning rates, which are 32-bit numbers then."""
    plain, recorded = training_of(way), training_of(way)
    recorded.recorded_steps = RecordedSteps(StandIn())
    for epoch in range(2):
        expected, found = plain.train_epoch(epoch), recorded.train_epoch(epoch)
        assert found.loss == pytest.approx(expected.loss, rel=1e-4)
        assert found.encoder_loss == pytest.approx(expected.encoder_loss, rel=1e-2)


def test_alike_are_stages_that_differ_in_numbers_only():
    stages = [stage_at(CURRICULUM, progress / 100) for progress in range(100)]
    numbers = torch.tensor([stage.numbers for stage in stages])
    assert len({stage.lasting for stage in stages}) < 10
    for stage, values in zip(stages, numbers, strict=True):
        found = stage.lasting.with_numbers(values)
        assert found.lasting == stage.lasting
        assert [float(number) for number in found.numbers] == pytest.approx(stage.numbers)


@pytest.mark.gpu
@pytest.mark.parametrize("way", WAYS)
def test_replayed_steps_learn_what_plain_ones_do(way, recwarn):
    """Sums by atomic additions are not repeatable, and poses are choices: the means over an epoch are compared."""
    plain, recorded = training_of(way, "cuda"), training_of(way, "cuda")
    plain.recorded_steps = RecordedSteps(None)
    for epoch in range(2):
        expected, found = plain.train_epoch(epoch), recorded.train_epoch(epoch)
        assert found.loss == pytest.approx(expected.loss, rel=0.02)
        assert found.encoder_loss == pytest.approx(expected.encoder_loss, rel=0.2)
    assert not [one for one in recwarn if "recorded" in str(one.message)]


@pytest.mark.gpu
def test_what_cannot_be_recorded_is_computed():
    graph, given = StepGraph(), torch.ones(3, device="cuda")

    def waits(values: Tensor) -> Tensor:
        return values * float(values.sum())

    with pytest.warns(UserWarning, match="not recorded"):
        found = [graph("alike", waits, given).tolist() for _ in range(4)]
    assert found == [[3.0] * 3] * 4
