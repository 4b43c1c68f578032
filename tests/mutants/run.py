"""The project's own list of spoilt lines, each tried against the tests that should see it: `make mutants`.

A mutant is one line of the product made wrong. `*.toml` beside this file lists them:

    [[mutant]]
    name = "every refund has the same key"
    file = "payments/refunds.py"
    old = "key=refund.cause"        # stands once in the file
    new = 'key="refund"'
    tests = ["tests/payments"]      # where it should be seen

Each is tried in a copy of the tree. It is caught when a test fails, and survives when all pass. What spoils
so much that no test runs is a bad mutant, and is told as one.
"""

import argparse
import ast
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
LISTS = sorted(Path(__file__).resolve().parent.glob("*.toml"))
SECONDS = 600
SEEN, UNSEEN = 1, 0  # how pytest ends when a test failed, and when all passed
AT_ONCE = 2


@dataclass(frozen=True, slots=True)
class Mutant:
    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def spoil(self, text: str) -> str:
        """Return the file's text with the line made wrong. Raise ValueError if the list is out of date."""
        if text.count(self.old) != 1:
            raise ValueError(f"{self.name}: stands {text.count(self.old)} times in {self.file}, not once")
        spoilt = text.replace(self.old, self.new)
        if self.file.endswith(".py"):
            ast.parse(spoilt)
        return spoilt


def listed() -> list[Mutant]:
    """Return every mutant of the lists."""
    return [
        Mutant(one["name"], one["file"], one["old"], one["new"], tuple(one["tests"]))
        for path in LISTS
        for one in tomllib.loads(path.read_text())["mutant"]
    ]


def copy_of_the_tree(folder: Path) -> Path:
    """Copy what git knows or would add, with the virtual environment linked."""
    named = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],  # noqa: S607 -- git is wherever the machine has it
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    for name in named.stdout.splitlines():
        source, target = ROOT / name, folder / name
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    return folder


def try_one(mutant: Mutant, tree: Path) -> str:
    """Return how it went: caught, survived, or bad."""
    path = tree / mutant.file
    sound = path.read_text()
    path.write_text(mutant.spoil(sound))
    try:
        done = subprocess.run(  # noqa: S603 -- our own tests
            [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *mutant.tests],
            cwd=tree,
            check=False,
            capture_output=True,
            timeout=SECONDS,
        )
    except subprocess.TimeoutExpired:
        return "caught"  # it hangs, which nobody overlooks
    finally:
        path.write_text(sound)
    return {SEEN: "caught", UNSEEN: "survived"}.get(done.returncode, "bad")


def try_all(mutants: Sequence[Mutant]) -> dict[str, str]:
    """Try each, some at once, and print how it went as it comes."""
    waiting: queue.SimpleQueue[Mutant] = queue.SimpleQueue()
    for mutant in mutants:
        waiting.put(mutant)
    found: dict[str, str] = {}

    def work() -> None:
        with tempfile.TemporaryDirectory(prefix="stagedoor-mutants-") as folder:
            Path(folder).chmod(0o755)  # PostgreSQL does not run as root, and must find its way in
            tree = copy_of_the_tree(Path(folder))
            while True:
                try:
                    mutant = waiting.get_nowait()
                except queue.Empty:
                    return
                found[mutant.name] = try_one(mutant, tree)
                print(f"{found[mutant.name]:9} {mutant.file}: {mutant.name}", flush=True)  # noqa: T201 -- a command talks to a person

    workers = [threading.Thread(target=work) for _ in range(AT_ONCE)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return found


def chosen(mutants: Iterable[Mutant], words: Sequence[str]) -> list[Mutant]:
    """Return those whose file or name holds one of the words; all without any."""
    return [one for one in mutants if not words or any(word in f"{one.file} {one.name}" for word in words)]


def main() -> int:
    parser = argparse.ArgumentParser(description="Spoil one line at a time, and see whether a test notices.")
    parser.add_argument("words", nargs="*", help="only mutants whose file or name holds one of these")
    mutants = chosen(listed(), parser.parse_args().words)
    found = try_all(mutants)
    caught = sum(1 for how in found.values() if how == "caught")
    print(f"{caught} of {len(mutants)} spoilt lines were noticed.")  # noqa: T201 -- the same
    return 0 if caught == len(mutants) else 1


if __name__ == "__main__":
    raise SystemExit(main())
