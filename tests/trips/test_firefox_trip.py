"""Firefox hears the room on the room's own page. On stage is `manage.py play`, as any speaker."""

import asyncio
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rooms.media import machine
from stagedoor.visitor import Visitor
from tests.rooms.media.firefox import Firefox, firefox
from tests.trips import sound
from tests.trips.evenings import Evening, put_on, take_free_ticket
from tests.trips.people import PASSWORD
from tests.trips.product import Product

pytestmark = [pytest.mark.trip, pytest.mark.timeout(300)]

# Without a sound card Firefox runs no AudioContext, so its own statistics have to say what it heard. They are
# asked of the connection that the page makes once it is tapped.
REMEMBER_CONNECTIONS = """
window.connections = [];
window.RTCPeerConnection = class extends RTCPeerConnection {
  constructor(...given) { super(...given); window.connections.push(this); }
};
"""
TAP = "document.querySelector('[data-listen]').click();"
COUNTS = """
const all = await Promise.all(window.connections.map((one) => one.getStats()));
const reports = all.flatMap((one) => [...one.values()]);
const stream = reports.find((report) => report.type === "inbound-rtp");
return {
  connection: document.getElementById("room").dataset.connection,
  received: stream?.packetsReceived ?? 0,
  energy: stream?.totalAudioEnergy ?? 0,
};
"""


@pytest.fixture
def fan(product: Product) -> Iterator[Visitor]:
    with Visitor("Ben", product.base_url) as ben:
        handle = f"ben_{secrets.token_hex(3)}"
        email = f"{handle}@example.org"
        ben.sign_up(handle=handle, email=email, password=PASSWORD, mail=product.mailbox.folder)
        yield ben


@pytest.fixture
def evening(product: Product, fan: Visitor, tmp_path: Path) -> Iterator[Evening]:
    """Return an evening to which the fan has a ticket, with Ada's tone on stage."""
    with Visitor("Ada", product.base_url) as ada:
        ada.sign_in(email="ada@stagedoor.localhost", password=product.password)
        evening = put_on(ada, "For every browser")
    take_free_ticket(fan, evening)
    tone = sound.write_microphone(tmp_path / "tone.wav", hz=sound.ADA_HZ)
    with product.working("play", str(tone), "--room", evening.slug, "--as", "ada", "--open", "--loop"):
        yield evening


def test_firefox_hears_the_room_on_its_page(
    product: Product, fan: Visitor, evening: Evening, tmp_path: Path
) -> None:
    binary = shutil.which("firefox-esr")
    if binary is None:
        pytest.fail(
            "This trip needs Debian's Firefox. Install it: apt install firefox-esr. `make test` does it."
        )
    assert machine.addresses() != [machine.LOOPBACK], "Firefox connects to nobody without a network card."
    asyncio.run(_listen(binary, product, fan, evening, profile=tmp_path))


async def _listen(binary: str, product: Product, fan: Visitor, evening: Evening, *, profile: Path) -> None:
    async with firefox(binary, profile) as browser:
        await browser.command("WebDriver:Navigate", url=f"{product.base_url}/healthz")
        for cookie in fan.http.cookies.jar:
            await browser.command("WebDriver:AddCookie", cookie={"name": cookie.name, "value": cookie.value})
        await browser.command("WebDriver:Navigate", url=f"{product.base_url}{evening.room}")
        await browser.run(REMEMBER_CONNECTIONS)
        await browser.run(TAP)
        before = await _counts(browser, packets=100)
        after = await _counts(browser, packets=int(before["received"]) + 100)

    assert after["connection"] == "connected"
    assert after["received"] >= before["received"] + 100
    assert after["energy"] > before["energy"] + 0.001, "Packets come, but no sound is in them."


async def _counts(browser: Firefox, *, packets: int) -> dict[str, Any]:
    """Wait until so many packets have come, and return what Firefox counts then."""
    async with asyncio.timeout(20):
        while True:
            counts = await browser.run(COUNTS)
            assert isinstance(counts, dict)
            if counts["received"] >= packets:
                return counts
            await asyncio.sleep(0.2)
