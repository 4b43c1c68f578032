"""A network of this process's own (Linux), which no packet leaves, with an address that is not loopback's.

Janus passes over loopback interfaces, and whoever is compared with it should stand on the same ground.
"""

import os
import subprocess
import sys
from typing import Final

HOST: Final = "127.1.1.1"
INSIDE: Final = "--inside-private-network"


def enter(module: str) -> None:
    """Start this program again inside such a network, in place of this process, unless it is inside."""
    if INSIDE in sys.argv:
        _lay()
        return
    become_root = [] if os.geteuid() == 0 else ["--map-root-user"]
    words = ["unshare", "--net", *become_root, sys.executable, "-m", module, *sys.argv[1:], INSIDE]
    os.execvp(words[0], words)  # noqa: S606 -- ourselves again


def _lay() -> None:
    """Give the address to one end of a pair of cards that are joined to each other and to nothing else."""
    for order in (
        "link set lo up",
        "link add stage type veth peer name wings",
        f"addr add {HOST}/32 dev stage",
        "link set stage up",
        "link set wings up",
    ):
        subprocess.run(["ip", *order.split()], check=True)  # noqa: S603, S607 -- the words above
