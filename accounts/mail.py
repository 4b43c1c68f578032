"""The outbox: every e-mail is a row before it is a letter, and it leaves at most once.

A worker takes a letter with one conditional UPDATE (WAITING to SENDING), hands it to the mail server, and
writes SENT at once, outside any transaction. Three things can go wrong:

- The mail server is away: nothing was taken yet, the letters go on waiting.
- It answers no, or the line breaks before it answers yes: without a yes the letter is still ours (RFC 5321,
  4.1.1.4), so it is tried again, later each time. A final no (5xx) and the last attempt end in FAILED.
- The worker dies between the server's yes and our SENT. Nobody can know whether the yes came; such a letter
  is never sent again by itself: a second "you have paid" frightens, while what a lost one says stands on a
  page too. Once its lease is over it becomes FAILED, which is logged as an error; staff can send it again.

The Message-ID follows from the row, so even a letter sent twice by hand is one letter to most mailboxes.
"""

import smtplib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import structlog
from celery import current_app
from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.db import transaction
from django.db.models import F
from django.template.loader import render_to_string
from kombu.exceptions import OperationalError

from accounts import links
from accounts.models import Letter

log = structlog.get_logger(__name__)

BATCH = 100
LARGEST = 90_000  # octets of HTML: Gmail shows 102 kB of a letter, headers and encoding included
LONGEST_SUBJECT = 200
BEHIND_THE_OTHERS = 1  # a letter's urgency; 0 leaves first
# Longer than any attempt may last (Celery's limit is five minutes): a lease that is over is a dead worker.
LEASE = timedelta(minutes=10)
PAUSES = [timedelta(minutes=minutes) for minutes in (1, 5, 30, 120, 480)]
REMEMBERED_FOR = timedelta(days=30)
FINAL = 500  # from here on an SMTP answer is a final no


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A letter to be: why, to whom, and what it is made of. `template` names three files, as for write()."""

    key: str
    to: str
    template: str
    context: Mapping[str, Any]


def write(*, key: str, to: str, template: str, context: Mapping[str, Any], at: datetime) -> Letter:
    """Return the letter of this cause. The first call renders and keeps it, and it leaves after commit.

    `template` names three files: `<template>.subject.txt`, `<template>.txt` and `<template>.html`.
    """
    known = Letter.objects.filter(key=key).first()
    if known is not None:
        return known
    draft = Draft(key=key, to=to, template=template, context=context)
    letter, is_new = Letter.objects.get_or_create(
        key=key, defaults={"to": to, **_rendered(draft), "written_at": at, "next_attempt_at": at}
    )
    if is_new:
        transaction.on_commit(_nudge, robust=True)
    return letter


def write_all(*, drafts: Sequence[Draft], at: datetime) -> None:
    """Keep a letter for each cause that has none yet. They leave after those that were written one by one.

    Two queries and one nudge for any number of them, in the caller's transaction.
    """
    known = set(Letter.objects.filter(key__in=[draft.key for draft in drafts]).values_list("key", flat=True))
    letters = [
        Letter(
            key=draft.key,
            to=draft.to,
            **_rendered(draft),
            written_at=at,
            next_attempt_at=at,
            urgency=BEHIND_THE_OTHERS,
        )
        for draft in drafts
        if draft.key not in known
    ]
    Letter.objects.bulk_create(letters, ignore_conflicts=True)
    if letters:
        transaction.on_commit(_nudge, robust=True)


def _rendered(draft: Draft) -> dict[str, str]:
    full = {"base_url": links.absolute("/"), **draft.context}
    subject = " ".join(render_to_string(f"{draft.template}.subject.txt", full).split())
    html: str = render_to_string(f"{draft.template}.html", full)
    if len(html.encode()) > LARGEST:
        # Mailboxes would cut it in the middle of a sentence. Its words are all in the text.
        log.error("letter_too_large", template=draft.template, octets=len(html.encode()))
        html = ""
    return {
        "subject": subject if len(subject) <= LONGEST_SUBJECT else f"{subject[: LONGEST_SUBJECT - 1]}…",
        "text": render_to_string(f"{draft.template}.txt", full).strip() + "\n",
        "html": html,
    }


def send_due(*, at: datetime) -> int:
    """Send what is due, and return how many letters left. Any number of workers may do so at once."""
    _give_up_on_interrupted(at=at)
    due = list(Letter.objects.due(at)[:BATCH])
    if not due:
        return 0
    server = get_connection()
    try:
        server.open()
    except OSError as error:
        log.warning("mail_server_away", waiting=len(due), error=str(error))
        return 0
    try:
        return _send_all(due, server=server, at=at)
    finally:
        server.close()


def send_again(*, letter: Letter, at: datetime) -> bool:
    """Put a letter that was given up back into the outbox. False if it was not given up."""
    moved = Letter.objects.filter(pk=letter.pk, status=Letter.Status.FAILED).update(
        status=Letter.Status.WAITING, attempts=0, next_attempt_at=at
    )
    if moved:
        transaction.on_commit(_nudge, robust=True)
    return bool(moved)


def forget(*, at: datetime) -> int:
    """Blank the letters of more than a month ago. Their keys stay, so that no old cause writes again."""
    old = Letter.objects.filter(
        status__in=[Letter.Status.SENT, Letter.Status.FAILED], written_at__lt=at - REMEMBERED_FOR
    )
    return old.exclude(to="").update(to="", subject="", text="", html="", last_error="")


def _nudge() -> None:
    try:
        # By name, since tasks import trades.
        current_app.send_task("accounts.tasks.send_letters", retry=False)
    except OperationalError:
        log.warning("nudge_lost", task="send_letters")  # the timetable finds the row a few seconds later


def _send_all(letters: list[Letter], *, server: BaseEmailBackend, at: datetime) -> int:
    sent = 0
    for letter in letters:
        if not _take(letter, at=at):
            continue
        try:
            _message(letter, server).send()
        except (smtplib.SMTPResponseException, smtplib.SMTPRecipientsRefused) as refusal:
            _refused(letter, refusal, at=at)
        except OSError as error:
            _put_back(letter, error, at=at)
            break  # the line is broken: the others wait for the next round
        except SoftTimeLimitExceeded:
            raise
        except Exception as error:
            log.exception("letter_not_sent", letter=str(letter.pk))
            _put_back(letter, f"{type(error).__name__}: {error}", at=at)
        else:
            _sent(letter, at=at)
            sent += 1
    return sent


def _take(letter: Letter, *, at: datetime) -> bool:
    """Claim the letter: of many workers one updates the row, and commits before anything is sent."""
    taken = Letter.objects.filter(pk=letter.pk, status=Letter.Status.WAITING, next_attempt_at__lte=at).update(
        status=Letter.Status.SENDING, attempts=F("attempts") + 1, next_attempt_at=at + LEASE
    )
    letter.attempts += taken
    return bool(taken)


def _message(letter: Letter, server: BaseEmailBackend) -> EmailMultiAlternatives:
    headers = {
        "Message-ID": f"<{letter.pk}@{urlsplit(settings.BASE_URL).hostname}>",
        "Auto-Submitted": "auto-generated",
    }
    message = EmailMultiAlternatives(
        letter.subject, letter.text, to=[letter.to], connection=server, headers=headers
    )
    if letter.html:
        message.attach_alternative(letter.html, "text/html")
    return message


def _sent(letter: Letter, *, at: datetime) -> None:
    # FAILED as well: a worker that outlived its lease knows better than the sweep that gave up on it.
    Letter.objects.filter(pk=letter.pk, status__in=[Letter.Status.SENDING, Letter.Status.FAILED]).update(
        status=Letter.Status.SENT, sent_at=at, last_error=""
    )


def _refused(
    letter: Letter, refusal: smtplib.SMTPResponseException | smtplib.SMTPRecipientsRefused, *, at: datetime
) -> None:
    code, words = _answer(refusal)
    if code >= FINAL:
        _give_up(letter, f"{code} {words}")
    else:
        _put_back(letter, f"{code} {words}", at=at)


def _answer(refusal: smtplib.SMTPResponseException | smtplib.SMTPRecipientsRefused) -> tuple[int, str]:
    if isinstance(refusal, smtplib.SMTPRecipientsRefused):
        code, words = next(iter(refusal.recipients.values()))
        return code, words.decode(errors="replace")
    error = refusal.smtp_error
    return refusal.smtp_code, error.decode(errors="replace") if isinstance(error, bytes) else error


def _put_back(letter: Letter, error: object, *, at: datetime) -> None:
    if letter.attempts > len(PAUSES):
        _give_up(letter, error)
        return
    Letter.objects.filter(pk=letter.pk, status=Letter.Status.SENDING).update(
        status=Letter.Status.WAITING,
        next_attempt_at=at + PAUSES[letter.attempts - 1],
        last_error=str(error)[:300],
    )


def _give_up(letter: Letter, error: object) -> None:
    Letter.objects.filter(pk=letter.pk, status=Letter.Status.SENDING).update(
        status=Letter.Status.FAILED, last_error=str(error)[:300]
    )
    log.error("letter_given_up", letter=str(letter.pk), attempts=letter.attempts)


def _give_up_on_interrupted(*, at: datetime) -> None:
    lost = Letter.objects.filter(status=Letter.Status.SENDING, next_attempt_at__lte=at).update(
        status=Letter.Status.FAILED, last_error="The worker died while sending; nobody knows whether it left."
    )
    if lost:
        log.error("letters_interrupted", count=lost)
