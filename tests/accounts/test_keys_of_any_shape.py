"""What a script sends for a passkey: of whatever shape it is, a form says no and nothing fails."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from allauth.core.context import request_context
from django import forms
from django.test import Client, RequestFactory
from pytest_django.fixtures import Settings

from accounts import forms as ours
from accounts.models import User
from tests.accounts.people import sign_in
from tests.factories import PASSWORD

pytestmark = pytest.mark.django_db


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


CLIENT = b64(
    json.dumps({"type": "webauthn.get", "challenge": "AAAA", "origin": "https://testserver"}).encode()
)
INNER: dict[str, Any] = {
    "clientDataJSON": CLIENT,
    "authenticatorData": b64(b"\0" * 37),
    "signature": "QQ",
    "userHandle": b64(b"1"),
    "attestationObject": b64(b"\xa0"),
    "transports": [],
}
WHOLE: dict[str, Any] = {
    "id": "QQ",
    "rawId": "QQ",
    "type": "public-key",
    "clientExtensionResults": {},
    "response": INNER,
}
ODD: list[Any] = [0, 1, True, "x", [], [1], {}, {"id": 1}, {"rawId": 1}, {"id": None, "rawId": None}]
BYTES = [b"{}", b"[]", b"\xa1\x01", b"\xff" * 60, b"\x41" * 37, b"9" * 30, b"\x9f" * 3_000]
PARTS: list[Any] = [
    *[None, 0, 1.5, True, "", "x", "é", "\ud800", "\0", [], [1], [[]], {}, {"a": 1}, {"clientDataJSON": 1}],
    *map(b64, BYTES),
]


def shapes() -> Iterator[str]:
    yield from (json.dumps(odd) for odd in ODD)
    yield from ("NaN", "{", "[" * 5_000, "9" * 5_000, json.dumps(WHOLE | {"more": "\0"}))
    for name in WHOLE:
        yield json.dumps({key: value for key, value in WHOLE.items() if key != name})
        yield from (json.dumps(WHOLE | {name: part}) for part in PARTS)
    for name in INNER:
        yield json.dumps(WHOLE | {"response": {key: value for key, value in INNER.items() if key != name}})
        yield from (json.dumps(WHOLE | {"response": INNER | {name: part}}) for part in PARTS)


STATE = {"challenge": "AAAA", "user_verification": "required"}


@pytest.mark.parametrize(
    "form", [ours.PasskeyLoginForm, ours.PasskeyForm, ours.PasskeyAgainForm, ours.AddPasskeyForm]
)
def test_whatever_is_sent_the_form_says_no(form: Any, ben: User, settings: Settings) -> None:
    settings.ACCOUNT_RATE_LIMITS = False
    whose = {} if form is ours.PasskeyLoginForm else {"user": ben}
    request: Any = RequestFactory().get("/")
    request.user = ben
    request.session = {}
    with request_context(request):
        for sent in shapes():
            request.session["mfa.webauthn.state"] = dict(STATE)
            bound = form({"credential": sent, "name": "x"}, **whose)
            assert not bound.is_valid(), sent
            assert set(bound.errors) <= {"credential", "__all__"}, sent


def test_all_forms_of_passkeys_are_tried() -> None:
    takes_json = {
        form
        for form in vars(ours).values()
        if isinstance(form, type) and issubclass(form, forms.BaseForm)
        if any(isinstance(field, forms.JSONField) for field in getattr(form, "base_fields", {}).values())
    }
    assert takes_json == {
        ours.PasskeyLoginForm, ours.PasskeyForm, ours.PasskeyAgainForm, ours.AddPasskeyForm,
    }  # fmt: skip


@pytest.mark.parametrize("sent", ['{"id": 1}', "0", "[]", '{"id": "QQ", "rawId": "QQ", "response": []}'])
def test_the_pages_say_no_too(sent: str, client: Client, ben: User) -> None:
    stranger = Client()
    assert stranger.post("/account/2fa/webauthn/login/", {"credential": sent}).status_code == 302
    sign_in(client, ben)
    client.post("/account/reauthenticate/", {"password": PASSWORD})
    for page in ("/account/2fa/webauthn/reauthenticate/", "/account/2fa/webauthn/add/"):
        assert client.post(page, {"credential": sent}).status_code in (200, 302)
