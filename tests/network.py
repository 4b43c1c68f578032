"""The network is shut while tests run: nothing leaves this machine, and what tries to says so.

Sockets go to loopback and to this machine's own addresses, names are not looked up, and browsers are told the
same on their command lines. Child processes of ours are not watched; they are given addresses of loopback.
"""

import ipaddress
import socket
from collections.abc import Callable
from typing import Any, Final

import ifaddr

# No name is looked up, and nothing is fetched that no page asked for. WebRTC goes to addresses of our own.
CHROMIUM_FLAGS: Final = (
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE localhost , EXCLUDE *.localhost , EXCLUDE 127.0.0.1",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-domain-reliability",
    "--disable-sync",
    "--no-pings",
)
# A proxy that nobody runs takes what is not for loopback.
FIREFOX_PREFERENCES: Final[dict[str, object]] = {
    "network.proxy.type": 1,
    "network.proxy.http": "127.0.0.1",
    "network.proxy.http_port": 9,
    "network.proxy.ssl": "127.0.0.1",
    "network.proxy.ssl_port": 9,
    "network.proxy.no_proxies_on": "localhost, 127.0.0.1, [::1]",
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "app.update.enabled": False,
    "app.normandy.enabled": False,
    "browser.safebrowsing.malware.enabled": False,
    "browser.safebrowsing.phishing.enabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "extensions.update.enabled": False,
    "services.settings.server": "http://127.0.0.1:9",
}


class NetworkIsShut(RuntimeError):
    """Something in a test wanted to leave this machine. No OSError: that would pass for bad luck."""


_OURS: Final = frozenset(
    str(ip.ip) if isinstance(ip.ip, str) else ip.ip[0] for card in ifaddr.get_adapters() for ip in card.ips
)


def is_ours(host: str) -> bool:
    """Return whether `host` is an address of this machine, or the name of its loopback."""
    if host in {"", "localhost"} or host.endswith(".localhost") or host in _OURS:
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return address.is_loopback or address.is_unspecified or (mapped is not None and is_ours(str(mapped)))


def shut() -> None:
    """Shut it for this process, for good."""
    for name in ("connect", "connect_ex"):
        setattr(socket.socket, name, _guarded(getattr(socket.socket, name), at=0))
    for name in ("sendto", "sendmsg"):
        setattr(socket.socket, name, _guarded(getattr(socket.socket, name), at=-1))
    for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex"):
        setattr(socket, name, _unasked(getattr(socket, name)))


def _guarded(method: Callable[..., Any], *, at: int) -> Callable[..., Any]:
    """Return the method with a look at the address, the argument number `at`, before it."""

    def guarded(self: socket.socket, *given: Any) -> Any:
        if self.family in {socket.AF_INET, socket.AF_INET6} and given and isinstance(given[at], tuple):
            _check(str(given[at][0]))
        return method(self, *given)

    return guarded


def _unasked(look_up: Callable[..., Any]) -> Callable[..., Any]:
    def unasked(host: Any, *given: Any, **also: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name is not None and not is_ours(name):
            _check_name(name)
        return look_up(host, *given, **also)

    return unasked


def _check(host: str) -> None:
    if not is_ours(host):
        raise NetworkIsShut(f"A test wanted to reach {host}. Tests reach nothing but this machine.")


def _check_name(name: str) -> None:
    """An address needs no asking; it is looked at where something is sent to it."""
    try:
        ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        raise NetworkIsShut(f"A test wanted to look up {name}. Tests ask no name server.") from None
