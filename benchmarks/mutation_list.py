"""Small mistakes, each put into one line of the program on purpose, and the tests that should notice."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutation:
    """One mistake: in `file`, of src/cryofifa, `right` becomes `wrong`; `tests` are looked at, below tests/."""

    file: str
    right: str
    wrong: str
    tests: str


def _of(file: str, tests: str, *changes: tuple[str, str]) -> list[Mutation]:
    return [Mutation(file, right, wrong, tests) for right, wrong in changes]


MUTATIONS: list[Mutation] = [
    *_of(
        "results/outputs.py",
        "results/test_outputs.py",
        ("resolution_angstrom(0.143, box_angstrom)", "resolution_angstrom(0.5, box_angstrom)"),
        ("plan.shared_shell + 1", "plan.shared_shell"),
    ),
    *_of(
        "results/gold_standard.py",
        "results/test_gold_standard.py",
        ("corrected = (masked - share) / (1 - share)", "corrected = masked - share"),
        ("first = max(fallen, unshared)", "first = fallen"),
        (
            "half_1, half_2 = without_spherical_mean(half_1), without_spherical_mean(half_2)",
            "half_1, half_2 = half_1, half_2",
        ),
        ("unmasked[1:] < RANDOMISED_FROM_FSC", "unmasked[1:] < 0.143"),
        ("fallen, unshared = 1 + int(under[0])", "fallen, unshared = int(under[0])"),
    ),
    *_of(
        "half_map_refinement/half_maps.py",
        "half_map_refinement/test_half_maps.py",
        ("return 2 * half_gain / (1 + half_gain)", "return half_gain"),
    ),
    *_of(
        "physics/point_groups.py",
        "physics/test_point_groups.py",
        ("[(2, (1.0, 0.0, 0.0))]", "[(2, (0.0, 1.0, 0.0))]"),
        ('"I3": ((2, (-0.5257311121, 0', '"I3": ((2, (0.5257311121, 0'),
        ('"T": ((3, (0, 0, 1))', '"T": ((3, (1, 0, 0))'),
    ),
    *_of(
        "physics/local_wiener.py",
        "physics/test_local_wiener.py",
        ("(band_1 - band_2).square()).sum() / 2", "(band_1 - band_2).square()).sum()"),
        ("return 1 - noise / power", "return noise / power"),
    ),
    *_of(
        "run/half_map_agreement.py",
        "run/test_half_map_agreement.py",
        ("SHELLS = (4 / 3, 2.0)", "SHELLS = (4 / 3, 3.0)"),
        ("fsc[first + 1 : round", "fsc[first : round"),
        ("without_spherical_mean(half_1), without_spherical_mean(half_2)", "half_1, half_2"),
    ),
    *_of(
        "physics/fourier.py",
        "contracts/test_odd_input.py",
        ("if length >= size:", "if offset >= 0:"),
    ),
    *_of(
        "system/folder_lock.py",
        "system/test_folder_lock.py",
        ("if self.place == _place() else None", "if self.place == _place() else False"),
        ("lives is False or silent > SILENT_SECONDS", "silent > SILENT_SECONDS"),
        ('return None if state[0] in (b"Z", b"X") else', "return"),
        ("if found is not None and found.text != self._text:", "if False:"),
        ("os.utime(self.path)", "pass"),
    ),
    *_of(
        "run/checkpoint_file.py",
        "run/test_checkpoint_file.py",
        ('if metadata["sha256"] != _sha256(tensors, metadata["progress"]):', "if False:"),
        ("if is_out_of_memory(error):", "if False:"),
        ("if isinstance(error, OSError) and error.errno is not None:", "if False:"),
    ),
    *_of(
        "run/session.py",
        "contracts/test_run_folder.py",
        ("if different is not None:", "if False:"),
    ),
    *_of(
        "run/folder.py",
        "contracts/test_run_folder.py",
        ("if particles.resolve().parent == here:", "if particles.parent == self.path:"),
        ("if path.resolve() in written:", "if False:"),
        ("not path.is_file() or path.stat().st_size == 0", "not path.is_file()"),
        ("if EARLIER_PART.fullmatch(path.name):", "if False:"),
    ),
    *_of(
        "system/launch.py",
        "system/test_meeting.py",
        ('socket.create_server(("127.0.0.1", 0))', 'socket.create_server(("", 0))'),
    ),
    *_of(
        "system/meeting.py",
        "system/test_meeting.py",
        ("if rank >= count:", "if rank > count:"),
        ("if not text:", "if False:"),
        ("store.wait([", "list(["),
    ),
    *_of(
        "mrc_map.py",
        "contracts/test_odd_input.py",
        (".max()) > LARGEST_VALUE", ".max()) > 1e38"),
    ),
    *_of(
        "system/input_file.py",
        "contracts/test_odd_input.py",
        ("if stat.S_ISCHR(state.st_mode)", "if False"),
        ("if stat.S_ISREG(state.st_mode):", "if False:"),
    ),
]
