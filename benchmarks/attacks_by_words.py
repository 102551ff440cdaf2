"""Attacks by the command line: odd numbers, odd files and an odd environment, each of which is one line at the most."""

import os
import resource
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from attacked_process import started

from cryofifa.mrc_map import write_map

MOST_GIB = 3.0  # of address space beyond what the program has
MAPS = (
    "odd.mrc",
    "box2.mrc",
    "box4.mrc",
    "huge.mrc",
    "constant.mrc",
    "whole.mrc",
    "zero.mrc",
    "text.mrc",
    "absent.mrc",
)
NUMBERS = ("inf", "nan", "-1", "0", "1e30", "1e-30", "1e300", "99999999999999999999", "")
ENVIRONMENTS = (
    "WORLD_SIZE=4",
    "RANK=1",
    "WORLD_SIZE=many RANK=0",
    "WORLD_SIZE=2 RANK=7 MASTER_ADDR=127.0.0.1 MASTER_PORT=1",
    "WORLD_SIZE=2 RANK=0 MASTER_ADDR=127.0.0.1",
    "WORLD_SIZE=2 RANK=0 MASTER_ADDR=127.0.0.1 MASTER_PORT=99999",
    "WORLD_SIZE=2 RANK=1 MASTER_ADDR=127.0.0.1 MASTER_PORT=1",
    "LOCAL_WORLD_SIZE=x",
)


def make_files(folder: Path) -> None:
    """Odd files of every kind, among them a link to a device that never ends."""
    rng = np.random.default_rng(0)
    for name, box, factor in (("odd", 25, 1), ("box2", 2, 1), ("box4", 4, 1), ("huge", 24, 3e38), ("constant", 24, 0)):
        values = (rng.uniform(-1, 1, (box, box, box)) * factor).astype(np.float32)
        write_map(folder / f"{name}.mrc", torch.from_numpy(values), 4.0)
    write_map(folder / "whole.mrc", torch.from_numpy(rng.normal(size=(24, 24, 24)).astype(np.float32)), 4.0)
    for ending in ("mrc", "star", "cs", "txt", "npy", "toml", "csv", "pdb"):
        (folder / f"zero.{ending}").symlink_to("/dev/zero")
        (folder / f"text.{ending}").write_text("data_particles\n\nloop_\n_rlnImageName #1\n1@a.mrcs\n")
    header = b"{'descr': '<i8', 'fortran_order': False, 'shape': (1000000000000,), }".ljust(117) + b"\n"
    (folder / "promise.npy").write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(64))
    np.savez(folder / "rows.npz", rows=np.arange(5))
    (folder / "deep.toml").write_text("a = " + "[" * 20000 + "]" * 20000)
    (folder / "dotted.toml").write_text("a." * 20000 + "b = 1")
    columns = "".join(f"_rlnColumn{number} #{number + 1}\n" for number in range(100_000))
    (folder / "columns.star").write_text(f"data_particles\n\nloop_\n{columns}{'1 ' * 100_000}\n")


def command_lines(particles: str, run: str) -> Iterator[list[str]]:
    """Every command with odd values of its options, one at a time."""
    dry = ["reconstruct", particles, "-o", "out", "--dry-run"]
    for option in (
        "--box",
        "--seed",
        "--diameter",
        "--start-resolution",
        "--end-resolution",
        "--memory-gib",
        "--cache-gib",
    ):
        yield from ([*dry, f"{option}={number}"] for number in NUMBERS)
    for number in NUMBERS:
        yield ["reconstruct", particles, "-o", "out", f"--devices={number}"]
        yield ["refine-encoder", run, "-o", "out", f"--epochs={number}"]
        yield ["sharpen", "whole.mrc", "-o", "out.mrc", f"--b-factor={number}"]
        yield ["evaluate", "whole.mrc", "--truth-map", "whole.mrc", f"--radius={number}"]
        yield ["evaluate", "whole.mrc", "--truth-map", "whole.mrc", f"--symmetry=C{number}"]
        yield ["symmetry", "whole.mrc", f"--groups=C{number}"]
        for option, other in (("--box", "--pixel-size=3"), ("--pixel-size", "--box=24")):
            yield ["volume", run, "-o", "out.mrc", other, f"{option}={number}"]
        yield ["volume", run, "-o", "out.mrc", "--box=24", "--pixel-size=3", f"--resolution={number}"]
    for name in MAPS:
        yield ["evaluate", name, "--truth-map", name]
        yield ["evaluate", "whole.mrc", "--truth-map", name]
        yield ["evaluate", run, "--truth-map", name]
        yield ["sharpen", name, "-o", "out.mrc", "--b-factor=-50"]
        yield ["sharpen", "whole.mrc", "-o", "out.mrc", "--b-factor=-50", "--mask", name]
        yield ["symmetry", name, "--groups", "C2"]
        yield [*dry, "--mask", name]
    for name in ("zero.toml", "text.toml", "deep.toml", "dotted.toml", "whole.mrc", "."):
        yield [*dry, "--config", name]
    for name in ("zero.txt", "zero.npy", "promise.npy", "rows.npz", "text.txt", "whole.mrc", "."):
        yield [*dry, "--ind", name]
        yield ["infer", run, particles, "-o", "out2", "--ind", name]
    for name in ("zero.star", "zero.cs", "text.star", "text.cs", "columns.star", "whole.mrc", "."):
        yield ["reconstruct", name, "-o", "out", "--dry-run"]
        yield ["infer", run, name, "-o", "out"]
        yield ["evaluate", run, "--truth-poses", name]
    for name in ("zero.csv", "text.csv", "whole.mrc"):
        yield ["sharpen", "whole.mrc", "-o", "out.mrc", "--fsc", name]
    for name in ("zero.pdb", "text.pdb", "whole.mrc", "."):
        yield ["evaluate", "whole.mrc", "--model", name]
    for place in ("", "/dev/zero", "/dev/null/x", "/proc/x", str(Path(particles).parent)):
        yield ["reconstruct", particles, "-o", place]
        yield ["infer", run, particles, "-o", place]
        yield ["export", run, "--format", "star", "-o", place]
        yield ["volume", run, "--box=24", "--pixel-size=3", "-o", place]


def fault_of_words(words: list[str]) -> str:
    """What is wrong with how this command ends; it may succeed, where its values happen to be right."""
    return started(words, _limit).wait().fault(0, 2)


def fault_of_environment(said: str, particles: str) -> str:
    """What is wrong with how a run begins, whose environment says this of other processes."""

    def prepare() -> None:
        os.environ |= dict(word.split("=", 1) for word in said.split())

    return started(["reconstruct", particles, "-o", "out3"], prepare).wait(60.0).fault(0, 2)


def _limit() -> None:
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + int(MOST_GIB * 2**30), resource.RLIM_INFINITY))
