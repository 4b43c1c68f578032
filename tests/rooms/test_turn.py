"""What a browser is told of STUN and TURN servers."""

import base64
import hashlib
import hmac
import logging
from datetime import UTC, datetime
from typing import Any

import pytest

from rooms import turn
from rooms.protocol import IceServer

AT = datetime(2026, 11, 21, 20, 0, tzinfo=UTC)
TLS = "turns:turn.example.com:443?transport=tcp"


@pytest.fixture
def _turn(settings: Any) -> None:
    settings.TURN_URLS = ["turn:turn.example.com:3478", TLS]
    settings.TURN_SECRET = "north"
    settings.TURN_SECONDS = 600


def test_without_settings_a_browser_is_told_of_no_server() -> None:
    assert turn.ice_servers(at=AT) == []


@pytest.mark.usefixtures("_turn")
def test_turn_credentials_are_those_that_coturn_computes() -> None:
    [server] = turn.ice_servers(at=AT)
    assert server.urls == ["turn:turn.example.com:3478", TLS]
    assert server.username is not None
    until, _, name = server.username.partition(":")
    assert int(until) == AT.timestamp() + 600
    assert len(name) == 16
    code = hmac.new(b"north", server.username.encode(), hashlib.sha1).digest()
    assert server.credential == base64.b64encode(code).decode()


@pytest.mark.usefixtures("_turn")
def test_no_two_get_the_same_name() -> None:
    assert len({turn.ice_servers(at=AT)[0].username for _ in range(20)}) == 20


def test_a_server_without_a_secret_is_told_as_it_is(settings: Any) -> None:
    settings.ICE_SERVERS = ["stun:stun.example.com"]
    settings.TURN_URLS = [TLS]  # without the secret nobody could use it
    assert turn.ice_servers(at=AT) == [IceServer(urls=["stun:stun.example.com"])]


def test_links_tell_the_same_as_rfc_9725_says() -> None:
    servers = [
        IceServer(urls=["stun:stun.example.com"]),
        IceServer(urls=["turn:a.example.com", TLS], username="1795291800:ab", credential="c+/="),
    ]
    secret = 'username="1795291800:ab"; credential="c+/="; credential-type="password"'
    assert turn.links(servers).split(", ") == [
        '<stun:stun.example.com>; rel="ice-server"',
        f'<turn:a.example.com>; rel="ice-server"; {secret}',
        f'<{TLS}>; rel="ice-server"; {secret}',
    ]


@pytest.mark.usefixtures("_turn")
def test_credentials_are_never_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        turn.links(turn.ice_servers(at=AT))
    # Others in this process may say what they like meanwhile.
    assert [record for record in caplog.records if record.name.startswith("rooms")] == []
