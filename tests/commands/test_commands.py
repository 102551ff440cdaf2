"""What all commands have in common: a file each, help, former names, and what is said when one is interrupted."""

import argparse
import pkgutil
from pathlib import Path

import pytest

import cryofifa.commands
from cryofifa import cli
from cryofifa.cli import COMMANDS, FORMER_NAMES, main
from cryofifa.commands.reconstruct import _config
from cryofifa.settings.config import Config
from cryofifa.system import launch

NAMES = [command.NAME for command in COMMANDS]
LEAST_ARGUMENTS = {
    "reconstruct": ["x.star", "-o", "run"],
    "presets": [],
    "infer": ["run", "x.star", "-o", "out"],
    "refine-encoder": ["run"],
    "simulate": ["map.mrc", "-o", "set", "-n", "1", "--box", "24", "--pixel-size", "8", "--snr", "1"],
    "evaluate": ["run"],
    "export": ["run", "--format", "star"],
    "sharpen": ["run"],
    "symmetry": ["map.mrc"],
    "states": ["run"],
    "volume": ["run", "--box", "24", "--pixel-size", "8"],
}


def help_of(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--help"])
    assert ended.value.code == 0
    return capsys.readouterr().out


def test_every_file_is_a_command_of_its_name():
    files = {module.name for module in pkgutil.iter_modules(cryofifa.commands.__path__)}
    assert sorted(name.replace("-", "_") for name in NAMES) == sorted(files)


@pytest.mark.parametrize("name", NAMES)
def test_every_command_is_listed_and_has_help(name: str, capsys: pytest.CaptureFixture[str]):
    listed = help_of([], capsys)
    assert f"\n    {name}" in listed
    assert COMMANDS[NAMES.index(name)].HELP in " ".join(listed.split())
    assert help_of([name], capsys).startswith(f"usage: cryofifa {name} ")


@pytest.mark.parametrize("name", NAMES)
def test_every_command_gets_what_is_typed(name: str, monkeypatch: pytest.MonkeyPatch):
    command, given = COMMANDS[NAMES.index(name)], []
    monkeypatch.setattr(command, "run", given.append)
    assert main([name, *LEAST_ARGUMENTS[name]]) == 0
    assert len(given) == 1
    assert not given[0].signals.stop()


def test_refine_is_understood_and_not_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    said = []
    for name in ("refine", "refine-encoder"):
        assert main([name, str(tmp_path / "absent")]) == 2
        said.append(capsys.readouterr().err)
    assert "absent" in said[0]
    assert said[0] == said[1]
    listed = help_of([], capsys).split()
    assert not set(FORMER_NAMES) & set(listed)
    # an argument of that name is none
    launched = []
    monkeypatch.setattr(launch, "launch", lambda command, count: launched.append((command[3:], count)) or 0)
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert main(["refine", "refine", "--devices", "2", "--device", "cpu"]) == 0
    assert launched == [(["refine-encoder", "refine", "--devices", "2", "--device", "cpu"], 2)]


def test_no_polish_is_understood_and_not_listed(capsys: pytest.CaptureFixture[str]):
    shown = help_of(["infer"], capsys)
    assert "--encoder-only" in shown
    assert "polish" not in shown
    parse = cli._parser().parse_args
    whole = parse(["infer", *LEAST_ARGUMENTS["infer"]])
    former = parse(["infer", *LEAST_ARGUMENTS["infer"], "--no-polish"])
    assert whole.encoder_only is False
    assert former == parse(["infer", *LEAST_ARGUMENTS["infer"], "--encoder-only"])
    assert former.encoder_only is True


@pytest.mark.parametrize("name", NAMES)
def test_an_interrupted_command_says_whether_it_goes_on(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def interrupted(_: argparse.Namespace) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(COMMANDS[NAMES.index(name)], "run", interrupted)
    assert main([name, *LEAST_ARGUMENTS[name]]) == 130
    resumes = name in {"reconstruct", "refine-encoder"}
    assert ("resumes" in capsys.readouterr().err) == resumes
    if name == "reconstruct":
        assert main([name, *LEAST_ARGUMENTS[name], "--dry-run"]) == 130
        assert "resumes" not in capsys.readouterr().err


def test_every_option_of_reconstruct_reaches_its_setting(tmp_path: Path):
    wanted = {
        "seed": 4,
        "pose_mode": "amortized",
        "device": "cpu",
        "box": 48,
        "diameter_angstrom": 90.0,
        "start_resolution_angstrom": 50.0,
        "end_resolution_angstrom": 9.0,
        "invert": True,
        "symmetry": "C4",
        "mask_file": "mask.mrc",
        "memory_gib": 3.0,
        "cache_folder": "fast",
        "cache_gib": 7.0,
        "absolute_paths": True,
    }
    options = "--seed 4 --pose-mode amortized --device cpu --box 48 --diameter 90 --start-resolution 50"
    options += " --end-resolution 9 --invert --symmetry C4 --mask mask.mrc --memory-gib 3 --cache fast --cache-gib 7"
    options += " --absolute-paths"
    parse = cli._parser().parse_args
    found = _config(parse(["reconstruct", "x.star", "-o", str(tmp_path), *options.split(), "--quick"]))
    assert found == Config().changed(**wanted, starts={"count": 1})
    assert _config(parse(["reconstruct", "x.star", "-o", str(tmp_path)])) == Config()
