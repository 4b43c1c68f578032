from typing import Any

import pytest
from django.db import connection

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


@pytest.mark.django_db
def test_who_works_does_not_own_the_books() -> None:
    with connection.cursor() as cursor:
        found = [
            problem.id for problem in checks.the_books_belong_to_somebody_else(None, databases=["default"])
        ]
        assert found == ["stagedoor.W002", "stagedoor.W002"]  # as on one machine, with one role
        cursor.execute("CREATE ROLE worker_of_a_test")
        cursor.execute(
            "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO worker_of_a_test"
        )
        cursor.execute("SET LOCAL ROLE worker_of_a_test")
        assert list(checks.the_books_belong_to_somebody_else(None, databases=["default"])) == []
        cursor.execute("RESET ROLE")
        cursor.execute("GRANT TRUNCATE ON payments_transfer TO worker_of_a_test")
        cursor.execute("SET LOCAL ROLE worker_of_a_test")
        assert [
            problem.id for problem in checks.the_books_belong_to_somebody_else(None, databases=["default"])
        ] == ["stagedoor.W002"]
        cursor.execute("RESET ROLE")
