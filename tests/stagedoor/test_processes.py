"""The processes of one machine: who may end the whole, and who may not."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stagedoor import processes
from stagedoor.management.commands import live
from stagedoor.processes import Company, ProcessEnded

ENDS = (sys.executable, "-c", "print('Over already.'); raise SystemExit(3)")
STAYS = (sys.executable, "-c", "import time; time.sleep(60)")
SECONDS = 20.0


@pytest.fixture
def company(tmp_path: Path) -> Iterator[Company]:
    everybody = Company(environment={}, logs=tmp_path / "logs")
    yield everybody
    everybody.end()


def check_until(company: Company, words: str) -> None:
    """Look after everybody until something is told that begins with these words."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        if any(news.startswith(words) for news in company.check()):
            return
        time.sleep(0.02)
    raise AssertionError(f"Nobody told: {words}")


def test_one_of_the_product_s_own_ends_the_whole(company: Company) -> None:
    company.start("web", *ENDS)
    company.members["web"].wait(SECONDS)
    with pytest.raises(ProcessEnded, match=r"(?s)web ended \(3\).*Over already\."):
        company.check()


def test_a_decoration_that_ends_is_told_of_and_begins_again(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "LONGEST_PAUSE", 0.05)
    company.start("web", *STAYS)
    company.decorate("music", *ENDS)
    for _ in range(2):
        check_until(company, "music ended (3) and begins again in ")
    assert company.members["web"].poll() is None
    assert company.last_lines("music").count("Over already.") >= 2


def test_what_ends_soon_begins_again_later_and_later() -> None:
    process: Any = None
    music = processes.Decoration(("play",), process, started=0.0)
    assert [music.note_end(at=at) for at in range(7)] == [2, 4, 8, 16, 32, 60, 60]
    music.started = 100.0
    assert music.note_end(at=100.0 + processes.SETTLED_SECONDS + 1) == 2


def test_a_command_says_each_line_and_fails_with_its_last_ones(company: Company) -> None:
    said: list[str] = []
    assert company.run(sys.executable, "-c", "print(1); print(2)", say=said.append) == "1\n2\n"
    assert said == ["1", "2"]
    with pytest.raises(ProcessEnded, match=r"Over already\."):
        company.run(*ENDS)


class Unfinished(Company):
    """A company in which filling the town fails."""

    fillings = 0

    def run(self, *command: str, say: processes.Say | None = None) -> str:
        del say
        self.fillings += 1
        raise ProcessEnded(f"{' '.join(command[1:3])} failed")


def test_a_town_that_cannot_be_filled_keeps_nobody_from_opening(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    everybody = Unfinished(environment={}, logs=tmp_path)
    live.Command()._fill_the_town(everybody)
    assert everybody.fillings == live.FILLINGS
    assert "Stagedoor opens without it." in capsys.readouterr().err
