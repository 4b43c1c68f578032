"""People at their browsers, and the few things every one of them does."""

import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, ViewportSize, expect

from stagedoor.visitor import CODE, Visitor
from tests.trips import sound
from tests.trips.product import Product

PATIENCE_MS = 20_000
WIDE = ViewportSize(width=1280, height=800)
PHONE = ViewportSize(width=390, height=844)
PASSWORD = "a long walk home at night"
_numbers = itertools.count(1)


@dataclass
class Person:
    """Somebody with a browser of their own: no cookie, no cache is shared."""

    name: str
    handle: str
    email: str
    password: str
    page: Page
    product: Product
    base_url: str
    session: Visitor  # the same person as a program, for what the trip takes for granted

    def knock(self, path: str) -> int:
        """Go to a page of the product and return its status."""
        answer = self.page.goto(f"{self.base_url}{path}")
        assert answer is not None, f"{path} gave {self.name} no page."
        return answer.status

    def open(self, path: str) -> None:
        status = self.knock(path)
        assert status == 200, f"{path} answered {self.name} with {status}."

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click()

    def fill(self, label: str, text: str) -> None:
        self.page.get_by_role("textbox", name=label).fill(text)

    def path(self) -> str:
        return urlsplit(self.page.url).path

    def sign_up(self) -> None:
        """Sign up on the page, which leads on to wherever the person wanted to go."""
        self.fill("E-mail address", self.email)
        self.fill("Handle", self.handle)
        self.fill("Name", self.name)
        self.fill("Password", self.password)
        self.press("Sign up")
        expect(self.page.get_by_role("heading", name="Confirm your address")).to_be_visible()
        self.fill("Code", self.find_in_mail(CODE))
        self.press("Confirm")
        expect(self.page.get_by_role("heading", name="Confirm your address")).to_have_count(0)

    def sign_in(self, *, then: str = "/") -> None:
        """Give address and password; whoever has a second factor is asked for it next."""
        self.open(f"/account/login/?next={then}")
        self.fill("E-mail address", self.email)
        self.fill("Password", self.password)
        self.press("Sign in")

    def show_second_factor(self, *, then: str) -> None:
        """Type the six figures, and the next six if those were over before they were typed."""
        for _code in range(2):
            self.fill("Code", self.product.manage("town", "--code").strip())
            with self.page.expect_navigation():
                self.press("Sign in")
            if self.path() == then:
                return
        raise AssertionError(f"{self.name}'s second factor was not taken.")

    def letters(self, subject: str) -> int:
        """Return how many letters with this subject have come."""
        letters = self.product.mailbox.letters_to(self.email)
        return sum(1 for letter in letters if str(letter["Subject"]).startswith(subject))

    def find_in_mail(self, pattern: str) -> str:
        return self.product.mailbox.wait_for(self.email, pattern).group(1)


@dataclass
class Cast:
    """Who plays in one test. Everybody goes home at its end."""

    product: Product
    browser: Callable[[str], Browser]
    people: list[Person] = field(default_factory=list)

    def of_the_town(self, name: str, *, signed_in: bool = True) -> Person:
        """Return Ada, Rae or Max, whom the town knows."""
        handle = name.lower()
        person = self._person(name, handle, f"{handle}@stagedoor.localhost", self.product.password)
        if signed_in:
            person.session.sign_in(email=person.email, password=person.password)
            _hand_over(person)
        return person

    def stranger(self, name: str) -> Person:
        """Return somebody whom the product has never seen."""
        handle = f"{name.lower()}{next(_numbers)}"
        return self._person(name, handle, f"{handle}@example.org", PASSWORD)

    def fan(
        self, name: str, *, phone: bool = False, microphone: str = "fan", signed_in: bool = True
    ) -> Person:
        """Return somebody who has signed up and is signed in."""
        handle = f"{name.lower()}{next(_numbers)}"
        person = self._person(
            name, handle, f"{handle}@example.org", PASSWORD, phone=phone, microphone=microphone
        )
        mail = self.product.mailbox.folder
        person.session.sign_up(handle=handle, email=person.email, password=PASSWORD, mail=mail)
        if signed_in:
            _hand_over(person)
        return person

    def another_page_of(self, person: Person) -> Person:
        """Return the same person at a second tab of the same browser."""
        page = person.page.context.new_page()
        return replace(person, page=page)

    def leave(self) -> None:
        for person in self.people:
            person.session.http.close()
            person.page.context.close()

    def _person(
        self, name: str, handle: str, email: str, password: str, *, phone: bool = False, microphone: str = ""
    ) -> Person:
        browser = self.browser(microphone or ("ada" if name == "Ada" else "fan"))
        context = browser.new_context(
            viewport=PHONE if phone else WIDE,
            has_touch=phone,
            locale="en-GB",
            timezone_id="Europe/London",
            color_scheme="light",
        )
        context.set_default_timeout(PATIENCE_MS)
        context.add_init_script(path=sound.EAR)
        session = Visitor(name, self.product.base_url)
        page = context.new_page()
        person = Person(name, handle, email, password, page, self.product, self.product.base_url, session)
        self.people.append(person)
        return person


def slug_in(address: str) -> str:
    """Return the last word of an address's path: /events/night-one/ is about night-one."""
    found = re.search(r"/([a-z0-9-]+)/?$", urlsplit(address).path)
    assert found is not None, f"{address} names nothing."
    return found.group(1)


def _hand_over(person: Person) -> None:
    """Give the browser the session that the program opened."""
    person.page.context.add_cookies(
        [
            {"name": cookie.name, "value": cookie.value or "", "url": person.product.base_url}
            for cookie in person.session.http.cookies.jar
        ]
    )
