"""What people copy to begin with is read as it is written."""

import re
from pathlib import Path

import environ
import pytest

EXAMPLE = Path(__file__).parents[2] / ".env.example"
LINES = EXAMPLE.read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("line", LINES, ids=lambda line: line[:20])
def test_each_line_is_a_comment_or_empty_or_sets_something(line: str) -> None:
    assert re.fullmatch(r"|#.*|[A-Z][A-Z0-9_]*=.*", line)


def test_nobody_is_warned(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environ.Env, "ENVIRON", {})
    environ.Env.read_env(EXAMPLE)
    assert environ.Env.ENVIRON["HOLD_MINUTES"]
    assert caplog.records == []
