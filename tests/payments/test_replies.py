"""A held payout can be answered, with words and a document; what speaks against it stands red."""

from collections.abc import Callable, Iterator
from datetime import datetime

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import Error, transaction
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEntry, User
from payments import evidence, payouts, permissions, replies
from payments.evidence import Fact
from payments.models import Charge, Payee, Payout, Reply
from payments.money import Money
from payments.replies import Document, NotADocument, NotHeld, TooManyReplies

Sold = Callable[..., Charge]
pytestmark = pytest.mark.django_db
PDF = b"%PDF-1.7 a contract"


@pytest.fixture
def held(payee: Payee, sold: Sold, ada: User, rae: User, at: datetime) -> Payout:
    sold(released=True)
    payout = payouts.request(payee=payee, amount=Money(1000, "EUR"), by=ada, at=at)
    return payouts.hold(payout=payout, by=rae, reason="Who are your guests?", at=at)


@pytest.fixture
def as_ada(client: Client, ada: User, held: Payout) -> Iterator[Client]:
    permissions.decides(lambda user, payee: user == ada and payee.pk == held.payee_id)
    client.force_login(ada)
    yield client
    permissions._deciders.pop()


def address(payout: Payout) -> str:
    return reverse("payments:reply", args=[payout.payee_id, payout.pk])


def sent(content: bytes = PDF, name: str = "contract.pdf") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content)


def test_an_answer_and_its_document_stand_beside_the_payout(
    as_ada: Client, desk: Client, held: Payout, ada: User
) -> None:
    page = reverse("payments:payee", args=[held.payee_id])
    assert address(held) in as_ada.get(page).content.decode()
    as_ada.post(address(held), {"text": "My friends <b>and</b> theirs.", "document": sent()})
    reply = Reply.objects.get()
    assert (reply.by, reply.text, reply.document_name) == (
        ada,
        "My friends <b>and</b> theirs.",
        "contract.pdf",
    )
    assert "My friends &lt;b&gt;and&lt;/b&gt; theirs." in as_ada.get(page).content.decode()
    sheet = desk.get(reverse("payments:review", args=[held.pk])).content.decode()
    assert "My friends &lt;b&gt;and&lt;/b&gt; theirs." in sheet
    kept = desk.get(reverse("payments:reply_document", args=[reply.pk]))
    assert (kept.content, kept.headers["Content-Type"]) == (PDF, "application/octet-stream")
    assert kept.headers["Content-Disposition"] == 'attachment; filename="contract.pdf"'
    assert "no-store" in kept.headers["Cache-Control"]
    assert kept.headers["X-Content-Type-Options"] == "nosniff"
    assert AuditEntry.objects.get(verb="payout-answered").actor == ada


def test_only_finance_reads_a_document(as_ada: Client, held: Payout) -> None:
    as_ada.post(address(held), {"text": "Here.", "document": sent()})
    assert as_ada.get(reverse("payments:reply_document", args=[Reply.objects.get().pk])).status_code == 403


def test_a_stranger_answers_nothing(client: Client, held: Payout, max: User) -> None:
    client.force_login(max)
    assert client.post(address(held), {"text": "It was me."}).status_code == 404
    assert not Reply.objects.exists()


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"<script>alert(1)</script>", "contract.pdf"),
        (b"MZ\x90\x00", "photo.png"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "photo.svg"),
        (PDF + b"." * replies.LARGEST_DOCUMENT, "large.pdf"),
    ],
)
def test_what_is_no_document_or_too_large_is_refused_and_the_words_stay(
    as_ada: Client, held: Payout, content: bytes, name: str
) -> None:
    answer = as_ada.post(address(held), {"text": "Look at this.", "document": sent(content, name)})
    assert (answer.status_code, Reply.objects.count()) == (422, 0)
    assert "Look at this." in answer.content.decode()


def test_a_document_may_be_as_large_as_the_limit_and_no_larger() -> None:
    whole = PDF.ljust(replies.LARGEST_DOCUMENT, b".")
    assert Document.of(name="a.pdf", content=whole).content == whole
    with pytest.raises(NotADocument):
        Document.of(name="a.pdf", content=whole + b".")


@pytest.mark.parametrize(
    ("called", "kept"),
    [
        ("../../etc/passwd", "passwd.pdf"),
        ("C:\\papers\\tax 2025.exe", "tax 2025.pdf"),
        ('a"\r\nSet-Cookie: x.pdf', "aSet-Cookie x.pdf"),
        ("…", "document.pdf"),
        ("x" * 300 + ".pdf", "x" * 80 + ".pdf"),
    ],
)
def test_a_file_is_kept_under_a_plain_name_of_its_kind(called: str, kept: str) -> None:
    assert Document.of(name=called, content=PDF).name == kept


def test_only_what_is_held_is_answered(
    as_ada: Client, held: Payout, ada: User, rae: User, at: datetime
) -> None:
    payouts.approve(payout=held, by=rae, at=at)
    with pytest.raises(NotHeld):
        replies.write(payout=held, by=ada, text="Late.", at=at)
    as_ada.post(address(held), {"text": "Late."})
    assert not Reply.objects.exists()


def test_there_is_an_end_to_answers(held: Payout, ada: User, at: datetime) -> None:
    for number in range(replies.MOST):
        replies.write(payout=held, by=ada, text=f"{number}", at=at)
    with pytest.raises(TooManyReplies):
        replies.write(payout=held, by=ada, text="one more", at=at)


def test_the_database_wants_words_and_a_name(held: Payout, ada: User, at: datetime) -> None:
    with pytest.raises(Error, match="a_reply_says_something"), transaction.atomic():
        Reply.objects.create(payout=held, by=ada, text="", at=at)
    with pytest.raises(Error, match="a_document_has_a_name"), transaction.atomic():
        Reply.objects.create(payout=held, by=ada, text="x", document=PDF, at=at)


def test_what_speaks_against_it_stands_first_and_red(
    desk: Client, held: Payout, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = [Fact("Buyers", "3"), Fact("Nobody was heard", "2 of 3 evenings", "danger")]
    monkeypatch.setattr(evidence, "about", lambda _payee: facts)
    answer = desk.get(reverse("payments:review", args=[held.pk]))
    page = answer.content.decode()
    assert (answer.context["warnings"], answer.context["facts"]) == ([facts[1]], [facts[0]])
    assert page.index("What speaks against it") < page.index("Nobody was heard") < page.index("What we know")
    assert 'pill--danger">2 of 3 evenings' in page
