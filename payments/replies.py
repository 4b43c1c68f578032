"""What a payee answers when a payout is held: the reviewer reads it beside the payout."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath

from django.db import transaction

from accounts import audit
from accounts.models import User
from payments import pots
from payments.models import Payout, Reply

MOST = 10  # for one payout: whoever has more to say waits for the reviewer
LARGEST_DOCUMENT = 5 * 1024 * 1024
# By what a file begins with, not by what it is called.
KINDS = {b"%PDF-": ".pdf", b"\x89PNG\r\n\x1a\n": ".png", b"\xff\xd8\xff": ".jpg"}
LONGEST_NAME = 80


class NotHeld(Exception):
    """Only a held payout waits for an answer."""


class TooManyReplies(Exception):
    """There are as many answers as one payout may have."""


class NotADocument(Exception):
    """The file is larger than may be, or neither PDF, PNG nor JPEG."""


@dataclass(frozen=True, slots=True)
class Document:
    """A file that may be kept. Its name ends as its kind is, whatever it was called."""

    name: str
    content: bytes

    @classmethod
    def of(cls, *, name: str, content: bytes) -> "Document":
        """Return the document, under a plain name. Raise NotADocument."""
        ending = next((ending for begin, ending in KINDS.items() if content.startswith(begin)), None)
        if ending is None or len(content) > LARGEST_DOCUMENT:
            raise NotADocument
        stem = PurePosixPath(name.replace("\\", "/")).stem
        plain = "".join(letter for letter in stem if letter.isalnum() or letter in " -_")
        return cls(f"{plain.strip()[:LONGEST_NAME] or 'document'}{ending}", content)


@transaction.atomic
def write(*, payout: Payout, by: User, text: str, document: Document | None = None, at: datetime) -> Reply:
    """Keep an answer to a held payout. One transaction. Raise NotHeld, TooManyReplies."""
    pots.lock(payout.payee_id)
    row = Payout.objects.select_for_update(of=("self",), no_key=True).get(pk=payout.pk)
    if row.status != Payout.Status.HELD:
        raise NotHeld
    if row.replies.count() >= MOST:
        raise TooManyReplies
    reply = Reply.objects.create(
        payout=row,
        by=by,
        text=text,
        document_name=document.name if document else "",
        document=document.content if document else None,
        at=at,
    )
    audit.record(actor=by, verb="payout-answered", subject=row, at=at)
    return reply
