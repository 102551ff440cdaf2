"""The structure of the code in numbers, of one checkout or of two beside each other.

    python dev/structure.py                            # this checkout, as text
    python dev/structure.py --json                     # the same for other programs
    python dev/structure.py --against DIR --time       # a Markdown table: DIR before, this checkout after
    python dev/structure.py --repo DIR --test-time     # another checkout, with the time of all its tests

A room is a folder at the top of src/cryofifa, or a file beside these folders. An arrow leads from what imports to what
is imported, however often. A circle is a group of which each leads to every other.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from import_graph import Import, circles, file_arrows, imports_of, module_paths, room_arrows, room_of
from running_time import start_up_cpu_seconds, test_time
from source_shape import Length, longest_files, longest_functions, public_docstrings

LISTED = 10
LONG_FILE, LONG_FUNCTION = 350, 60  # lines

Numbers = dict[str, int | float | str]


@dataclass(frozen=True)
class Structure:
    """What is measured of one checkout: single numbers by what they count, and lists of names behind them."""

    numbers: Numbers
    longest_files: list[Length]
    longest_functions: list[Length]
    file_circles: list[list[str]]
    room_circles: list[list[str]]
    short_docstrings: list[str]
    without_docstring: list[str]


def structure_of(repository: Path, time_start: bool = False, time_tests: bool = False) -> Structure:
    """All that the files tell, and what their running takes if that is asked for."""
    package = repository / "src" / "cryofifa"
    modules, imports = module_paths(package), imports_of(package)
    files, functions, docstrings = (
        longest_files(repository),
        longest_functions(repository),
        public_docstrings(repository),
    )
    short = [one.name for one in docstrings if one.is_short]
    missing = [one.name for one in docstrings if one.text is None]
    numbers: Numbers = {
        "folders": len({path.parent for path in modules.values()} - {package}),
        "files beside the folders": len([path for path in modules.values() if path.parent == package]),
        "rooms (folders at the top, and files beside them)": len({room_of(module) for module in modules}),
        "files in src": len(modules),
        "lines in src": sum(file.lines for file in files if file.name.startswith("src/")),
        "arrows from room to room": len(room_arrows(imports)),
        "arrows from file to file": len(file_arrows(imports)),
        "arrows from file to file in another room": len(_between_rooms(imports)),
        **_circle_numbers(imports),
        f"files over {LONG_FILE} lines": len([file for file in files if file.lines > LONG_FILE]),
        "lines of the longest file": files[0].lines,
        f"functions over {LONG_FUNCTION} lines": len([one for one in functions if one.lines > LONG_FUNCTION]),
        "lines of the longest function": functions[0].lines,
        "public modules, classes and functions": len(docstrings),
        "of these with a docstring of five words or fewer": len(short),
        "of these without a docstring": len(missing),
    }
    if time_start:
        for option in ("--version", "--help"):
            numbers[f"CPU seconds of `cryofifa {option}`"] = round(start_up_cpu_seconds(repository, option), 2)
    if time_tests:
        tests = test_time(repository)
        numbers["tests"] = tests.outcome
        numbers["wall seconds of the tests"] = round(tests.wall_seconds)
        numbers["CPU seconds of the tests"] = round(tests.cpu_seconds)
    return Structure(
        numbers,
        files[:LISTED],
        functions[:LISTED],
        circles(file_arrows(imports)),
        circles(room_arrows(imports)),
        short,
        missing,
    )


def _between_rooms(imports: list[Import]) -> set[tuple[str, str]]:
    return {(start, end) for start, end in file_arrows(imports) if room_of(start) != room_of(end)}


def _circle_numbers(imports: list[Import]) -> Numbers:
    """Files and rooms in circles: of imports that are made at once, then with those in functions, then with all."""
    at_once = [one for one in imports if one.when == "at once"]
    running = [one for one in imports if one.when != "for types"]
    found: Numbers = {}
    for kind, arrows in (("files", file_arrows), ("rooms", room_arrows)):
        for text, chosen in (
            ("", at_once),
            (", imports in functions too", running),
            (", imports for types too", imports),
        ):
            found[f"{kind} in circles{text}"] = sum(map(len, circles(arrows(chosen))))
    return found


def as_text(structure: Structure) -> str:
    """The numbers, then the lists behind them."""
    width = max(map(len, structure.numbers))
    lines = [f"{name:<{width}}  {value}" for name, value in structure.numbers.items()]
    for title, lengths in (
        ("longest files", structure.longest_files),
        ("longest functions", structure.longest_functions),
    ):
        lines += ["", title, *(f"  {length.lines:5d}  {length.name}" for length in lengths)]
    for title, names in (
        ("circles of files", [", ".join(circle) for circle in structure.file_circles]),
        ("circles of rooms", [", ".join(circle) for circle in structure.room_circles]),
        ("docstrings of five words or fewer", structure.short_docstrings),
        ("public without docstring", structure.without_docstring),
    ):
        lines += ["", title, *(f"  {name}" for name in names or ["none"])]
    return "\n".join(lines)


def as_markdown(before: Structure, after: Structure) -> str:
    """One table of the numbers, one each of the longest files and functions, and the circles."""
    rows = [(name, before.numbers.get(name, ""), value) for name, value in after.numbers.items()]
    lines = ["| what | before | after |", "|---|---|---|", *(f"| {name} | {old} | {new} |" for name, old, new in rows)]
    for title, old_lengths, new_lengths in (
        ("longest files", before.longest_files, after.longest_files),
        ("longest functions", before.longest_functions, after.longest_functions),
    ):
        lines += ["", f"| {title}, before | lines | after | lines |", "|---|---|---|---|"]
        for old, new in zip(old_lengths, new_lengths, strict=True):
            lines.append(f"| {old.name} | {old.lines} | {new.name} | {new.lines} |")
    for when, structure in (("before", before), ("after", after)):
        found = [", ".join(circle) for circle in (*structure.room_circles, *structure.file_circles)]
        lines += ["", f"Circles {when}: {'; '.join(found) or 'none'}."]
    return "\n".join(lines)


def main() -> None:
    """Read the options, measure, print."""
    parser = argparse.ArgumentParser(description="The structure of the code in numbers.")
    parser.add_argument("--repo", type=Path, default=Path(__file__).parent.parent, metavar="DIR", help="this one")
    parser.add_argument("--against", type=Path, metavar="DIR", help="an older checkout: a Markdown table of both")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--time", action="store_true", help="measure how long the program takes to start")
    parser.add_argument("--test-time", action="store_true", help="run all tests (minutes)")
    options = parser.parse_args()
    for repository in filter(None, (options.repo, options.against)):
        if not (repository / "src" / "cryofifa").is_dir():
            parser.error(f"{repository} has no src/cryofifa; give the folder of a checkout")
    before = options.against and structure_of(options.against.resolve(), options.time, options.test_time)
    after = structure_of(options.repo.resolve(), options.time, options.test_time)
    if options.json:
        print(
            json.dumps(
                asdict(after) if before is None else {"before": asdict(before), "after": asdict(after)}, indent=1
            )
        )
    else:
        print(as_text(after) if before is None else as_markdown(before, after))


if __name__ == "__main__":
    main()
