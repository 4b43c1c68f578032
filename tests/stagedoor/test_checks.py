from typing import Any

import pytest

from stagedoor import checks


@pytest.mark.parametrize(
    ("urls", "secret", "found"),
    [
        ([], "", []),
        (["turns:turn.example:443"], "a secret", []),
        (["turns:turn.example:443"], "", ["stagedoor.E008"]),
        ([], "a secret", ["stagedoor.E008"]),
    ],
)
def test_relays_and_their_secret_go_together(
    settings: Any, urls: list[str], secret: str, found: list[str]
) -> None:
    settings.TURN_URLS, settings.TURN_SECRET = urls, secret
    assert [problem.id for problem in checks.relays_have_their_secret(None)] == found
