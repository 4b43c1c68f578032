"""Rules that no other tool watches: sizes, reasons for inline imports, what the repository may not hold."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LONGEST_FILE = 400
LONGEST_FUNCTION = 60
REASON = re.compile(r"# noqa: PLC0415 -- (slow|optional|app-ready)")


def tracked(*patterns: str) -> list[Path]:
    done = subprocess.run(  # noqa: S603 -- our own arguments
        ["git", "ls-files", *patterns],  # noqa: S607 -- git is wherever the machine has it
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return [ROOT / name for name in done.stdout.splitlines() if (ROOT / name).exists()]


SOURCES = [path for path in tracked("*.py") if "migrations" not in path.parts]


def functions_of(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    tree = ast.parse(path.read_text())
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def test_there_are_sources_to_look_at() -> None:
    assert len(SOURCES) > 50


def test_a_file_fits_in_the_head() -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in SOURCES}
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST_FILE} == {}


def test_a_function_fits_on_a_screen() -> None:
    lengths = {
        f"{path.relative_to(ROOT)}:{function.name}": (function.end_lineno or 0) - function.lineno + 1
        for path in SOURCES
        for function in functions_of(path)
    }
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST_FUNCTION} == {}


def inline_imports(path: Path) -> list[tuple[int, str]]:
    lines = path.read_text().splitlines()
    return [
        (node.lineno, lines[node.lineno - 1])
        for function in functions_of(path)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]


def test_an_inline_import_gives_one_of_three_reasons() -> None:
    unexplained = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in SOURCES
        for number, line in inline_imports(path)
        if not REASON.search(line)
    ]
    assert unexplained == []


@pytest.mark.parametrize("name", ["utils", "helpers", "services", "manager", "managers", "common", "misc"])
def test_no_file_has_a_name_that_says_nothing(name: str) -> None:
    assert [path for path in SOURCES if path.stem == name] == []


def test_the_lock_names_exact_versions_with_hashes_and_no_registry() -> None:
    lock = (ROOT / "requirements.txt").read_text()
    entries = [line for line in lock.splitlines() if re.match(r"^[a-z0-9]", line, re.IGNORECASE)]
    assert entries
    assert [line for line in entries if not re.match(r"^[\w.-]+==[\w.!+-]+( ; .+)? \\$", line)] == []
    assert re.findall(r"https?://|--index|--extra-index|--find-links|file:/", lock) == []
