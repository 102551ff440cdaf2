"""Sets as hard as real ones: the SNR stays, all that is drawn is written, and the same settings give the same bytes."""

from pathlib import Path

import mrcfile
import numpy as np
import pytest
import starfile

from cryofifa.mrc_map import read_map, write_map
from cryofifa.particles.simulated.pseudo_protein import other_molecule, pseudo_protein
from cryofifa.particles.simulated.simulate import simulate
from cryofifa.settings.sample import (
    REALISTIC,
    GradientSettings,
    ImagingSettings,
    MicelleSettings,
    ModelSettings,
    NoiseSettings,
    SampleSettings,
    SolventSettings,
    read_sample,
)

BOX, PIXEL = 32, 5.0
SET = {"box": BOX, "pixel_size_angstrom": PIXEL}
KINDS = {"noise", "ice", "molecule", "edge", "aggregate", "fragment", "two"}


@pytest.fixture(scope="module")
def map_path(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("map") / "map.mrc"
    write_map(path, pseudo_protein(BOX, PIXEL), PIXEL)
    return path


@pytest.fixture(scope="module")
def other_path(map_path) -> Path:
    path = map_path.with_name("other.mrc")
    write_map(path, other_molecule(BOX, PIXEL, 65.0), PIXEL)
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def stack(folder: Path) -> np.ndarray:
    return mrcfile.read(folder / "particles.mrcs")


def test_a_sample_with_nothing_in_it_gives_the_plain_images(map_path, tmp_path):
    simulate(map_path, tmp_path / "plain", particles=70, snr=0.5, **SET)
    simulate(map_path, tmp_path / "sample", particles=70, snr=0.5, sample=SampleSettings(), **SET)
    assert (tmp_path / "plain/particles.mrcs").read_bytes() == (tmp_path / "sample/particles.mrcs").read_bytes()
    assert (tmp_path / "plain/particles.star").read_bytes() == (tmp_path / "sample/particles.star").read_bytes()


@pytest.mark.slow
def test_the_settings_of_a_set_make_it_again_to_the_bit(map_path, other_path, tmp_path):
    """All ingredients at once, and every file of the set; those of the settings file are all that is needed."""
    sample = tmp_path / "sample.toml"
    sample.write_text(
        "[micelle]\ncontrast = 0.8\nradius_angstrom = 60\nlump_sd_angstrom = 8\n\n"
        f'[[model]]\nstructure = "{other_path}"\nshare = 0.5\n'
    )
    simulate(map_path, tmp_path / "a", particles=70, snr=0.2, seed=4, sample=read_sample(sample, REALISTIC), **SET)
    made = contents(tmp_path / "a")
    assert set(made) == {
        "particles.mrcs",
        "particles.star",
        *(
            f"truth/{name}"
            for name in (
                "junk.txt", "junk_kind.txt", "map.mrc", "map2.mrc", "micelle.mrc",
                "poses.star", "settings.toml", "surroundings.star",
            )
        ),
    }  # fmt: skip
    again = read_sample(tmp_path / "a/truth/settings.toml", SampleSettings())
    simulate(map_path, tmp_path / "b", particles=70, snr=0.2, seed=4, sample=again, **SET)
    assert contents(tmp_path / "b") == made
    simulate(map_path, tmp_path / "c", particles=70, snr=0.2, seed=5, sample=again, **SET)
    assert not np.array_equal(stack(tmp_path / "c"), stack(tmp_path / "a"))


def test_the_snr_is_the_one_asked_for_whatever_is_around(map_path, tmp_path):
    """Two sets of one seed differ by their signal alone."""
    sample = SampleSettings(
        solvent=SolventSettings(0.7),
        noise=NoiseSettings("apoferritin"),
        gradient=GradientSettings(0.3),
        imaging=ImagingSettings(50.0, 150.0, contrast_sd=0.2),
    )
    for name, snr in (("weak", 1e-8), ("strong", 0.5)):
        simulate(map_path, tmp_path / name, particles=256, snr=snr, sample=sample, **SET)
    signal = stack(tmp_path / "strong") - stack(tmp_path / "weak")
    y, x = np.mgrid[:BOX, :BOX] - BOX // 2
    disc = np.hypot(x, y) <= 0.35 * BOX
    assert signal[:, disc].var(axis=1).mean() == pytest.approx(0.5, rel=0.01)
    ramp = np.array(starfile.read(tmp_path / "weak/truth/surroundings.star"))
    noise = stack(tmp_path / "weak") - (ramp[:, 0, None, None] * x + ramp[:, 1, None, None] * y) / (BOX / 2)
    assert noise.var() == pytest.approx(1, abs=0.06)


def test_b_factors_damp_the_power_of_images(map_path, tmp_path):
    """exp(-B s^2 / 2), up to the factor that keeps the SNR."""
    for name, b_factor in (("without", 0.0), ("with", 300.0)):
        imaging = ImagingSettings(least_b_factor=b_factor, largest_b_factor=b_factor)
        simulate(map_path, tmp_path / name, particles=50, snr=1e8, sample=SampleSettings(imaging=imaging), **SET)
    power = [np.abs(np.fft.fft2(stack(tmp_path / name))) ** 2 for name in ("with", "without")]
    line = np.fft.fftfreq(BOX, PIXEL)
    frequency = np.hypot(line[:, None], line)
    rings = [(low <= frequency) & (frequency < low + 0.005) for low in (0.02, 0.04, 0.06, 0.08)]
    ratio = np.log([power[0][:, ring].sum() / power[1][:, ring].sum() for ring in rings])
    wanted = np.array([-300.0 * (frequency[ring] ** 2).mean() / 2 for ring in rings])
    np.testing.assert_allclose(ratio - ratio[0], wanted - wanted[0], atol=0.06)


def test_classes_junk_and_neighbours_are_those_asked_for(map_path, other_path, tmp_path):
    sample = REALISTIC.__class__(
        junk=REALISTIC.junk,
        neighbours=REALISTIC.neighbours,
        imaging=REALISTIC.imaging,
        model=(ModelSettings(str(other_path), 0.25),),
    )
    simulate(map_path, tmp_path, particles=200, snr=50.0, junk=0.35, sample=sample, **SET)
    truth = starfile.read(tmp_path / "truth/poses.star")["particles"]
    rows = np.loadtxt(tmp_path / "truth/junk.txt", dtype=int)
    kinds = (tmp_path / "truth/junk_kind.txt").read_text().split()
    assert {kind: kinds.count(kind) for kind in KINDS} == dict.fromkeys(KINDS, 10)
    number = truth["rlnClassNumber"].to_numpy()
    assert (np.flatnonzero(number == 0) == rows).all()
    assert (number == 2).sum() / (number > 0).sum() == pytest.approx(0.25, abs=0.06)
    around = starfile.read(tmp_path / "truth/surroundings.star")
    assert len(around["neighbours"]) == 70
    assert len(around["gradients"]) == 200
    given = starfile.read(tmp_path / "particles.star")["particles"]
    assert (given["rlnDefocusU"] - truth["rlnDefocusU"]).std() > 200
    assert truth["rlnCtfBfactor"].between(50, 150).all()

    # images are of the structure that their class says
    from cryofifa.particles.files.star import read_poses_star
    from cryofifa.particles.simulated.simulate import simulate_images
    from cryofifa_testkit.small_scenes import small_drawn

    poses = read_poses_star(tmp_path / "truth/poses.star")
    alone = np.setdiff1d(np.flatnonzero(number > 0), around["neighbours"]["cryofifaRow"])
    ctf = small_drawn(200).ctf(slice(0, 200))
    images = np.abs(np.fft.fft2(stack(tmp_path)))[alone]  # amplitudes: the CTF's signs do not matter
    likeness = []
    for name in ("map.mrc", "map2.mrc"):
        volume, _ = read_map(tmp_path / "truth" / name)
        clean = simulate_images(volume, PIXEL, poses.rotation.float(), poses.shift_angstrom.float(), ctf).numpy()
        amplitude = np.abs(np.fft.fft2(clean))[alone]
        likeness.append([np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(amplitude, images, strict=True)])
    assert (np.argmax(likeness, axis=0) + 1 == number[alone]).mean() > 0.9


def test_a_micelle_is_in_the_images_and_not_in_the_map(map_path, tmp_path):
    micelle = MicelleSettings(contrast=3.0, radius_angstrom=60.0, lump_sd_angstrom=8.0)
    for name, settings in (("without", MicelleSettings()), ("with", micelle)):
        simulate(map_path, tmp_path / name, particles=40, snr=1e6, sample=SampleSettings(micelle=settings), **SET)
    maps = [(tmp_path / name / "truth/map.mrc").read_bytes() for name in ("without", "with")]
    assert maps[0] == maps[1]
    added = stack(tmp_path / "with") - stack(tmp_path / "without")
    assert added.std() > 0.1 * stack(tmp_path / "without").std()
    density, _ = read_map(tmp_path / "with/truth/micelle.mrc")
    assert float(density.min()) >= -1e-6
    assert float(density.sum()) > 0
