"""Runs on a GPU keep their tensors there: rehearsed without one (see `cryofifa_testkit.two_devices`)."""

from pathlib import Path

import numpy as np
import pytest
import torch

from cryofifa import Config, infer, reconstruct, refine
from cryofifa.results.report import report
from cryofifa_testkit.small_sets import simulated_particles
from cryofifa_testkit.two_devices import CUDA, is_marked, rehearsed_gpu

SIZE, PIXEL = 24, 8.0
SMALL = Config().changed(
    device="cuda",
    encoder={"channels": 4, "stages": 2, "feature_width": 32},
    starts={"count": 2, "growth_visits": 80, "most_visits": 80, "minibatch": 40, "orientations": 60},
    curriculum={"visits": 120, "fewest_epochs": 2, "minibatch": 20, "mask_steps": 2},
    amortized={"visits": 120},
    search={"orientations": 60},
    half_map_refinement={"iterations": 2, "most_searches": 2, "candidates": 2},
)


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "report_html", lambda _: "report")


@pytest.fixture(scope="module")
def particles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulated_particles(tmp_path_factory.mktemp("set"), particles=60, box=SIZE, pixel_size_angstrom=PIXEL)


def test_the_rehearsal_refuses_what_cuda_refuses():
    with rehearsed_gpu():
        on_gpu, on_cpu = torch.ones(3, device="cuda"), torch.ones(3)
        index, where = torch.zeros(1, dtype=torch.long), torch.tensor(True, device="cuda")
        assert (on_gpu * 2 + torch.ones(())).device == CUDA
        assert is_marked(on_gpu[index])
        assert not is_marked(on_gpu.cpu())
        assert not is_marked(on_cpu)
        layer = torch.nn.Linear(3, 1).to("cuda")
        layer(on_gpu).sum().backward()
        assert is_marked(layer.weight.grad)
        refused = (
            lambda: on_gpu + on_cpu,
            lambda: torch.stack([on_gpu, on_cpu]),
            lambda: on_cpu[index.to("cuda")],
            lambda: on_gpu.index_add_(0, index, on_cpu[:1]),
            lambda: torch.where(where, on_cpu, 0),
            lambda: layer(on_cpu),
        )
        for operation in refused:
            with pytest.raises(RuntimeError, match="device"):
                operation()
        with pytest.raises(TypeError, match="numpy"):
            np.asarray(on_gpu)


@pytest.mark.slow
def test_guided_refined_and_inferred(particles: Path, tmp_path: Path):
    """Of a cubic group, whose starts are judged by their half maps."""
    with rehearsed_gpu():
        reconstruct(particles, tmp_path / "run", config=SMALL.changed(symmetry="T"))
        refine(tmp_path / "run", epochs=1)
        infer(tmp_path / "run", particles, tmp_path / "inferred", device="cuda")


def test_amortized(particles: Path, tmp_path: Path):
    with rehearsed_gpu():
        reconstruct(particles, tmp_path / "run", config=SMALL.changed(pose_mode="amortized"))
