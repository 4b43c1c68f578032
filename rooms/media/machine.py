"""Where this machine can be reached."""

from typing import Final

from aioice.ice import get_host_addresses

LOOPBACK: Final = "127.0.0.1"


def addresses() -> list[str]:
    """Return the addresses of this machine's network cards, or loopback's if there is none."""
    return get_host_addresses(use_ipv4=True, use_ipv6=True) or [LOOPBACK]


def near_addresses() -> list[str]:
    """Return this machine's addresses with loopback's, where a house on the same machine may be."""
    return list(dict.fromkeys([*addresses(), LOOPBACK]))
