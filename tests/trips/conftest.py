"""The main trips, end to end: the real product, real browsers, a person in each. Nothing here is skipped."""

import shutil
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Playwright, expect, sync_playwright

from stagedoor.processes import BASE_DIR
from tests import network
from tests.trips import product as the_product
from tests.trips import sound
from tests.trips.people import PATIENCE_MS, Cast
from tests.trips.product import Product

CHROMIUM = "/usr/bin/chromium"
PICTURES = BASE_DIR / "var" / "trips"
FLAGS = [
    "--no-sandbox",
    "--autoplay-policy=no-user-gesture-required",
    "--allow-loopback-in-peer-connection",  # so that a machine without a network card will do
    "--use-fake-device-for-media-stream",
]
figures = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[figures] = []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for line in config.stash[figures]:
        terminalreporter.write_line(f"trips: {line}")


@pytest.fixture
def note(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Return a function that keeps a measured figure for the end of the run."""
    return request.config.stash[figures].append


@pytest.fixture(scope="session")
def product() -> Iterator[Product]:
    with the_product.running() as product:
        yield product


@pytest.fixture(scope="module")
def driver() -> Iterator[Playwright]:
    """Drive browsers for one file: while its loop runs, no other test in this thread may have one."""
    if shutil.which(CHROMIUM) is None:
        pytest.fail(
            "The trips need Debian's Chromium. Install it: apt install chromium. `make test` does it."
        )
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as driver:
        yield driver


@pytest.fixture(scope="module")
def browser(
    driver: Playwright, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Browser]]:
    """Return a function that gives the browser with this microphone: ada, fan, or refused."""
    running: dict[str, Browser] = {}
    folder = tmp_path_factory.mktemp("microphones")

    def launch(microphone: str) -> Browser:
        if microphone not in running:
            running[microphone] = driver.chromium.launch(
                executable_path=CHROMIUM,
                args=[*FLAGS, *network.CHROMIUM_FLAGS, *_microphone_flags(microphone, folder)],
            )
        return running[microphone]

    yield launch
    for browser in running.values():
        browser.close()


def _microphone_flags(microphone: str, folder: Path) -> list[str]:
    if microphone == "refused":
        return ["--use-fake-ui-for-media-stream=deny"]
    path = sound.write_microphone(
        folder / f"{microphone}.wav", hz=sound.ADA_HZ if microphone == "ada" else sound.FAN_HZ
    )
    return ["--use-fake-ui-for-media-stream", f"--use-file-for-fake-audio-capture={path}"]


@pytest.fixture
def cast(product: Product, browser: Callable[[str], Browser]) -> Iterator[Cast]:
    cast = Cast(product, browser)
    yield cast
    cast.leave()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """After a failure, keep what everybody saw, and what the processes said."""
    report = yield
    if report.when == "call" and report.failed and isinstance(item, pytest.Function):
        cast = item.funcargs.get("cast")
        if isinstance(cast, Cast):
            report.sections += [("Pictures", _pictures(cast, item.name))]
        product = item.funcargs.get("product")
        if isinstance(product, Product):
            report.sections += [("The product's last words", product.last_words())]
    return report


def _pictures(cast: Cast, test: str) -> str:
    """Photograph every page and return where the pictures are, and the address of each."""
    lines = []
    for number, person in enumerate(cast.people, start=1):
        path = PICTURES / f"{test}-{number}-{person.name}.png"
        try:
            person.page.screenshot(path=path, timeout=3_000)
        except Exception as problem:  # noqa: BLE001 -- a page that has crashed must not hide why the test failed
            lines.append(f"{person.name}: no picture, {problem}")
        else:
            lines.append(f"{person.name} at {person.page.url}: {path}")
    return "\n".join(lines)
