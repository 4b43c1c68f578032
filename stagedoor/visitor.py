"""A person at a browser, as far as a program can be one: cookies, links, forms filled in as they stand."""

import re
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self

import httpx
from lxml.html import document_fromstring

from stagedoor.mailbox import Mailbox

SECONDS = 30.0
CODE = r"(?m)^\s*([A-Z0-9]{4}-[A-Z0-9]{4})\s*$"  # as allauth writes its codes, alone on a line


class Surprised(Exception):
    """The page is not what a person would have expected there."""


class Visitor:
    """One person with one browser. Every page is read before its form is sent, as a browser does."""

    def __init__(self, name: str, base_url: str) -> None:
        self.name = name
        self.tab = secrets.token_hex(16)  # what the room's page makes up for itself
        self.http = httpx.Client(base_url=base_url, follow_redirects=True, timeout=SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_details: object) -> None:
        self.http.close()

    def open(self, address: str, *, expect: int = 200) -> httpx.Response:
        """Return the page. Raise Surprised at another status."""
        return self._expect(self.http.get(address), expect)

    def submit(
        self, page: httpx.Response, action: str, values: Mapping[str, str], *, onward: bool = True
    ) -> httpx.Response:
        """Send the form of `page` whose action holds `action`, with `values` over what it holds.

        Of several, it is the one that has most of their fields. `onward` follows where the answer leads;
        without it the redirect itself is returned.
        Raise Surprised when there is no such form.
        """
        forms = [
            form
            for form in document_fromstring(page.text).forms
            if form.method == "POST" and action in str(form.action or page.url)
        ]
        if not forms:
            raise Surprised(f"{page.url.path} shows {self.name} no form for {action or 'anything'}.")
        form = max(forms, key=lambda one: len({*values} & {*one.fields.keys()}))
        fields = {name: str(value) for name, value in form.form_values()} | dict(values)
        address = page.url.join(str(form.action or page.url))
        headers = {"Referer": str(page.url)}
        return self.http.post(address, data=fields, headers=headers, follow_redirects=onward)

    def send_json(self, address: str, body: dict[str, object]) -> httpx.Response:
        """Post as the page's script would."""
        headers = {
            "X-CSRFToken": self.http.cookies.get("csrftoken") or "",
            "Referer": str(self.http.base_url),
        }
        return self.http.post(address, json=body, headers=headers)

    def sign_up(self, *, handle: str, email: str, password: str, mail: Path) -> None:
        """Sign up, and type the code that came by e-mail."""
        page = self.open("/account/signup/")
        who = {"email": email, "username": handle, "name": self.name, "password1": password}
        confirm = self.submit(page, "signup", who)
        code = Mailbox(mail).wait_for(email, CODE).group(1)
        self.submit(confirm, "", {"code": code})

    def sign_in(self, *, email: str, password: str) -> httpx.Response:
        page = self.open("/account/login/")
        return self.submit(page, "login", {"login": email, "password": password})

    def set_up_app(self, *, password: str, code_of: Callable[[str], str]) -> None:
        """Set up an authenticator app: `code_of` tells the code that it shows for a key."""
        again = self.open("/account/2fa/totp/activate/")
        page = self.submit(again, "reauthenticate", {"password": password})
        key = re.search(r'id="authenticator_secret" value="([A-Z2-7]+)"', page.text)
        if key is None:
            raise Surprised(f"{page.url.path} shows {self.name} no key for an app.")
        self.submit(page, "totp/activate", {"code": code_of(key[1])})

    def _expect(self, answer: httpx.Response, status: int) -> httpx.Response:
        if answer.status_code != status:
            raise Surprised(
                f"{answer.url.path} answered {self.name} with {answer.status_code}, not {status}."
            )
        return answer
