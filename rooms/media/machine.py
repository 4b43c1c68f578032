"""Where this machine can be reached."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from aioice.ice import get_host_addresses

LOOPBACK: Final = "127.0.0.1"


@dataclass(frozen=True)
class Reach:
    """Where sockets are bound, and by which addresses browsers come to them.

    Without `public` that is the same. With it, a router in front of us hands each port of a public address on
    to the same port here (1:1 NAT). Raises ValueError if browsers could reach nothing.
    """

    bound: Sequence[str]
    public: Sequence[str] = ()

    def __post_init__(self) -> None:
        if not any(self.told(address) for address in self.bound):
            raise ValueError("None of the public addresses is one at which what is bound can be reached.")

    def told(self, address: str) -> list[str]:
        """Return what browsers are told of a socket that is bound to `address`."""
        if not self.public or address in self.public:
            return [address]
        version = ipaddress.ip_address(address).version
        elsewhere = [one for one in self.public if one not in self.bound]
        return [one for one in elsewhere if ipaddress.ip_address(one).version == version]


def addresses() -> list[str]:
    """Return the addresses of this machine's network cards, or loopback's if there is none."""
    return get_host_addresses(use_ipv4=True, use_ipv6=True) or [LOOPBACK]


def near() -> Reach:
    """Return this machine's addresses with loopback's, where a house on the same machine may be."""
    return Reach(list(dict.fromkeys([*addresses(), LOOPBACK])))
