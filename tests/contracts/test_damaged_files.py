"""A part of benchmarks/fuzz.py: damaged files are refused in one line, or read as other programs read them."""

import pytest

from cryofifa_testkit.damaged_files.case import KINDS, Seed, damage, run_case
from cryofifa_testkit.damaged_files.seeds import make_seeds

CASES_OF_EACH = 30


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Seed]]:
    return make_seeds(tmp_path_factory.mktemp("fuzz"), None)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore")
def test_whole_files_are_read(seeds: dict[str, list[Seed]], kind: str) -> None:
    for seed in seeds[kind]:
        seed.path.write_bytes(seed.content)
        seed.judge(seed.path)


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files_are_refused_or_read_right(seeds: dict[str, list[Seed]], kind: str) -> None:
    outcomes = [run_case(seeds, kind, number, seed=0) for number in range(CASES_OF_EACH)]
    assert [outcome for outcome in outcomes if outcome.verdict == "FAILURE"] == []
    assert {"refused", "equal"} <= {outcome.verdict for outcome in outcomes}


@pytest.mark.parametrize("kind", KINDS)
def test_a_case_is_known_by_its_number(seeds: dict[str, list[Seed]], kind: str) -> None:
    (_, first, content), (_, again, same) = damage(seeds, kind, 5, 1), damage(seeds, kind, 5, 1)
    assert (first, content) == (again, same)
    assert damage(seeds, kind, 6, 1)[2] != content
