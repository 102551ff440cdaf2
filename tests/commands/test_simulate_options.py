"""`cryofifa simulate`: what --realistic, --sample and --junk come to together."""

import tomllib
from pathlib import Path

import pytest

from cryofifa.cli import main
from cryofifa.mrc_map import write_map
from cryofifa.particles.simulated.pseudo_protein import pseudo_protein


@pytest.mark.parametrize(
    ("options", "solvent", "neighbours", "junk", "kinds"),
    [
        (["--realistic"], 0.7, 0.35, 0.3, 7),
        (["--realistic", "--junk", "0.5"], 0.7, 0.35, 0.5, 7),
        (["--realistic", "--sample", "TOML"], 0.7, 0.1, 0.3, 6),
        (["--sample", "TOML"], 0.0, 0.1, 0.0, 6),
    ],
)
def test_options_add_up(tmp_path: Path, options, solvent, neighbours, junk, kinds):
    write_map(tmp_path / "map.mrc", pseudo_protein(32, 5.0), 5.0)
    (tmp_path / "sample.toml").write_text("[neighbours]\nshare = 0.1\n\n[junk]\nice = 0\n")
    given = [str(tmp_path / "sample.toml") if option == "TOML" else option for option in options]
    command = f"simulate {tmp_path}/map.mrc -o {tmp_path}/set -n 14 --box 32 --pixel-size 5 --snr 1"
    assert main([*command.split(), *given]) == 0
    settings = tomllib.loads((tmp_path / "set/truth/settings.toml").read_text())
    assert settings["solvent"]["contrast"] == solvent
    assert settings["neighbours"]["share"] == neighbours
    assert settings["set"]["junk"] == junk
    assert sum(settings["junk"][kind] > 0 for kind in settings["junk"] if kind != "share") == kinds
    assert len((tmp_path / "set/truth/junk.txt").read_text().split()) == round(14 * junk)
