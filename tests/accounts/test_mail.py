"""The outbox: every cause makes one letter, and a letter leaves at most once."""

import smtplib
import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

import pytest
from django.core import mail as postbox
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend
from django.db import connection, transaction

from accounts import mail
from accounts.models import Letter

Result = TypeVar("Result")


class MailServer(BaseEmailBackend):
    """A mail server that answers as the test says, and keeps what it took."""

    def __init__(self) -> None:
        super().__init__()
        self.away = False
        self.answer: BaseException | None = None
        self.took: list[EmailMessage] = []
        self.reads = False  # as a real one does, which cannot send what it cannot put into bytes

    def open(self) -> bool | None:
        if self.away:
            raise ConnectionRefusedError("nobody at home")
        return True

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        if self.answer is not None:
            raise self.answer
        for message in email_messages if self.reads else ():
            message.message()
        self.took.extend(email_messages)
        return len(email_messages)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> MailServer:
    server = MailServer()
    monkeypatch.setattr(mail, "get_connection", lambda: server)
    return server


def write(key: str, *, at: datetime) -> Letter:
    return mail.write(
        key=key,
        to="ben@example.com",
        template="account/email/letter",
        context={"subject": "Good\nevening <Ben>", "paragraphs": []},
        at=at,
    )


def status(letter: Letter) -> str:
    letter.refresh_from_db()
    return letter.status


@pytest.mark.django_db
def test_one_cause_makes_one_letter(at: datetime) -> None:
    assert write("order-paid-1", at=at) == write("order-paid-1", at=at)
    assert Letter.objects.count() == 1


@pytest.mark.django_db
def test_a_letter_goes_out_as_text_and_html_with_a_name_of_its_own(at: datetime) -> None:
    letter = write("a-cause", at=at)
    assert mail.send_due(at=at) == 1
    [message] = postbox.outbox
    assert message.to == ["ben@example.com"]
    assert message.subject == "Good evening <Ben>"
    assert message.extra_headers["Message-ID"] == f"<{letter.pk}@testserver>"
    assert "Good\nevening <Ben>" in str(message.body)
    [(html, kind)] = [(str(part.content), part.mimetype) for part in message.alternatives]  # type: ignore[attr-defined]
    assert kind == "text/html"
    assert "evening &lt;Ben&gt;" in html
    assert status(letter) == "sent"
    assert letter.sent_at == at


@pytest.mark.django_db
def test_what_was_sent_is_not_sent_again(at: datetime, server: MailServer) -> None:
    write("a-cause", at=at)
    assert [mail.send_due(at=at), mail.send_due(at=at + timedelta(days=1))] == [1, 0]
    assert len(server.took) == 1


@pytest.mark.django_db
def test_letters_wait_while_the_mail_server_is_away(at: datetime, server: MailServer) -> None:
    letter = write("a-cause", at=at)
    server.away = True
    assert mail.send_due(at=at) == 0
    assert (status(letter), letter.attempts) == ("waiting", 0)
    server.away = False
    assert mail.send_due(at=at) == 1


@pytest.mark.django_db
def test_a_refusal_for_now_is_tried_later_and_later_and_then_given_up(
    at: datetime, server: MailServer
) -> None:
    letter = write("a-cause", at=at)
    server.answer = smtplib.SMTPDataError(451, b"try later")
    tries = []
    while status(letter) == "waiting":
        tries.append(letter.next_attempt_at - at)
        mail.send_due(at=letter.next_attempt_at)
    waits = [timedelta(0), *mail.PAUSES]
    assert tries == [sum(waits[: n + 1], timedelta(0)) for n in range(len(waits))]
    assert (letter.status, letter.last_error) == ("failed", "451 try later")


@pytest.mark.django_db
@pytest.mark.parametrize(
    "refusal",
    [
        smtplib.SMTPDataError(554, b"no such thing"),
        smtplib.SMTPRecipientsRefused({"ben@example.com": (550, b"no such person")}),
    ],
)
def test_a_final_refusal_is_not_tried_again(at: datetime, server: MailServer, refusal: OSError) -> None:
    letter = write("a-cause", at=at)
    server.answer = refusal
    mail.send_due(at=at)
    assert (status(letter), letter.attempts) == ("failed", 1)


@pytest.mark.django_db
def test_a_broken_line_puts_the_letter_back_and_leaves_the_others_alone(
    at: datetime, server: MailServer
) -> None:
    letters = [write(f"cause-{number}", at=at) for number in range(3)]
    server.answer = smtplib.SMTPServerDisconnected("gone")
    assert mail.send_due(at=at) == 0
    assert sorted((status(letter), letter.attempts) for letter in letters) == [
        ("waiting", 0),
        ("waiting", 0),
        ("waiting", 1),
    ]


class Killed(BaseException):
    """What stands for a worker that dies."""


@pytest.mark.django_db
def test_one_odd_letter_keeps_no_other_from_leaving(at: datetime, server: MailServer) -> None:
    odd, other = write("odd", at=at - timedelta(hours=1)), write("other", at=at)
    Letter.objects.filter(pk=odd.pk).update(subject="Good evening\nBcc: max@example.com")
    server.reads = True

    assert mail.send_due(at=at) == 1

    assert (status(odd), status(other)) == (Letter.Status.WAITING, Letter.Status.SENT)
    assert odd.last_error.startswith("BadHeaderError: ")


@pytest.mark.django_db
def test_a_letter_whose_worker_died_is_given_up_and_never_sent_by_itself(
    at: datetime, server: MailServer
) -> None:
    letter = write("a-cause", at=at)
    server.answer = Killed()
    with pytest.raises(Killed):
        mail.send_due(at=at)
    server.answer = None
    soon, later = at + mail.LEASE - timedelta(seconds=1), at + mail.LEASE
    assert (mail.send_due(at=soon), status(letter)) == (0, "sending")
    assert (mail.send_due(at=later), status(letter)) == (0, "failed")
    assert server.took == []


@pytest.mark.django_db
def test_staff_send_a_given_up_letter_again_once(at: datetime, server: MailServer) -> None:
    letter = write("a-cause", at=at)
    Letter.objects.update(status="failed", attempts=6)
    assert [mail.send_again(letter=letter, at=at), mail.send_again(letter=letter, at=at)] == [True, False]
    assert mail.send_due(at=at) == 1


@pytest.mark.django_db
def test_old_letters_lose_their_words_but_not_their_cause(at: datetime) -> None:
    old, young = write("old", at=at - timedelta(days=31)), write("young", at=at)
    mail.send_due(at=at)
    assert mail.forget(at=at) == 1
    old.refresh_from_db()
    young.refresh_from_db()
    assert (old.to, old.subject, old.text, old.html) == ("", "", "", "")
    assert young.to == "ben@example.com"
    assert write("old", at=at) == old


@pytest.mark.django_db
@pytest.mark.parametrize("count", [1, 3])
def test_writing_costs_the_same_for_any_number_of_letters(
    at: datetime, count: int, django_assert_num_queries: Callable[[int], object]
) -> None:
    for number in range(count - 1):
        write(f"before-{number}", at=at)
    with django_assert_num_queries(5):  # type: ignore[attr-defined]  # look, look again, savepoint, insert, release
        write("the-last", at=at)


@pytest.mark.django_db(transaction=True)
def test_workers_at_the_same_time_send_each_letter_once(at: datetime, server: MailServer) -> None:
    """Seen failing without the conditions in _take's UPDATE: 157 letters left instead of 20."""
    for number in range(20):
        write(f"cause-{number}", at=at)
    assert sum(in_threads(8, lambda: mail.send_due(at=at))) == 20
    assert len({message.extra_headers["Message-ID"] for message in server.took}) == len(server.took) == 20


@pytest.mark.django_db(transaction=True)
def test_the_same_cause_at_the_same_time_makes_one_letter(at: datetime) -> None:
    """Seen failing without the unique key: seven letters."""
    keys = in_threads(8, lambda: write("the-cause", at=at).pk)
    assert len(set(keys)) == 1
    assert Letter.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_deed_that_is_undone_takes_its_letter_with_it(at: datetime) -> None:
    with transaction.atomic():
        write("a-cause", at=at)
        transaction.set_rollback(True)
    assert Letter.objects.count() == 0


def in_threads(count: int, work: Callable[[], Result]) -> list[Result]:
    """Run `work` in so many threads that start together, each with a connection of its own."""
    gate, results = threading.Barrier(count), []

    def run() -> None:
        try:
            gate.wait(10)
            results.append(work())
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(results) == count, "a thread failed"
    return results
