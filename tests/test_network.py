"""Nothing in a test leaves this machine."""

import asyncio
import socket
import urllib.request

import httpx
import pytest
from playwright.sync_api import Error as BrowserProblem
from playwright.sync_api import sync_playwright

from tests import network
from tests.network import NetworkIsShut

# Documentation's own: nobody is there.
ELSEWHERE = ["192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1", "198.51.100.7"]


@pytest.mark.parametrize("host", ELSEWHERE)
@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_no_socket_leaves(host: str, kind: socket.SocketKind) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, kind) as one:
        one.settimeout(0.5)
        for leave in (
            one.connect,
            one.connect_ex,
            lambda to: one.sendto(b"", to),
            lambda to: one.sendto(b"", 0, to),
        ):
            with pytest.raises(NetworkIsShut, match="this machine"):
                leave((host, 9))


@pytest.mark.parametrize("name", ["example.com", "api.stripe.com", "stun.l.google.com"])
def test_no_name_is_looked_up(name: str) -> None:
    for ask in (socket.gethostbyname, lambda host: socket.getaddrinfo(host, 443)):
        with pytest.raises(NetworkIsShut, match="name server"):
            ask(name)
    with pytest.raises(NetworkIsShut):
        httpx.get(f"https://{name}/", trust_env=False)
    with pytest.raises(NetworkIsShut):
        urllib.request.urlopen(f"http://{name}/", timeout=1)


@pytest.mark.asyncio
async def test_no_loop_leaves_either() -> None:
    with pytest.raises(NetworkIsShut):
        await asyncio.open_connection("192.0.2.1", 80)
    loop = asyncio.get_running_loop()
    with pytest.raises(NetworkIsShut):
        await loop.create_datagram_endpoint(asyncio.DatagramProtocol, remote_addr=("192.0.2.1", 9))


def test_this_machine_is_reached() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as line,
    ):
        assert line.getpeername() == server.getsockname()
    assert network.is_ours("localhost")
    assert network.is_ours("testserver.localhost")


def test_no_browser_leaves() -> None:
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", *network.CHROMIUM_FLAGS]
        )
        page = browser.new_page()
        with pytest.raises(BrowserProblem, match="ERR_NAME_NOT_RESOLVED"):
            page.goto("http://example.com/")
        browser.close()
