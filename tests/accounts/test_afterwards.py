import pytest
from django.db import transaction

from accounts.afterwards import once_committed


@pytest.mark.django_db(transaction=True)
def test_it_is_called_after_the_commit_with_what_was_said_before() -> None:
    told: list[tuple[int, str]] = []

    def tell(number: int, *, word: str) -> None:
        told.append((number, word))

    with transaction.atomic():
        once_committed(tell, 1, word="one")
        assert told == []
    assert told == [(1, "one")]


@pytest.mark.django_db(transaction=True)
def test_nothing_is_called_when_the_transaction_is_rolled_back() -> None:
    told: list[int] = []
    with transaction.atomic():
        once_committed(told.append, 1)
        transaction.set_rollback(True)
    assert told == []


@pytest.mark.django_db(transaction=True)
def test_what_fails_is_logged_and_stops_nobody(caplog: pytest.LogCaptureFixture) -> None:
    def fail(word: str) -> None:
        raise ValueError(word)

    told: list[int] = []
    with transaction.atomic():
        once_committed(fail, "away")
        once_committed(told.append, 1)
    assert told == [1]
    assert [str(record.exc_info[1]) for record in caplog.records if record.exc_info] == ["away"]
