"""What a process costs: CPU to the nanosecond and memory, read from outside (Linux)."""

import os
import time
from dataclasses import dataclass
from pathlib import Path


def cpu_seconds(pid: int) -> float:
    """Return the CPU, user and system, that process `pid` and all its threads have used."""
    # The clock of a process: its id inverted, and 2 for what the scheduler counted (linux/posix-timers.h).
    return time.clock_gettime((~pid << 3) | 2)


def resident_bytes(pid: int) -> int:
    """Return the memory that `pid` has of its own and its share of what it shares (PSS)."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise ProcessLookupError(f"process {pid} has gone")


def children(pid: int) -> list[int]:
    """Return the processes that `pid` has started and that still run."""
    found = []
    for thread in Path(f"/proc/{pid}/task").iterdir():
        found += [int(child) for child in (thread / "children").read_text(encoding="ascii").split()]
    return found


def soft_interrupts() -> list[int]:
    """Return the kernel's own threads for packets; what runs there is in nobody's account."""
    names = ((entry, entry / "comm") for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return [int(entry.name) for entry, name in names if _read(name).startswith("ksoftirqd/")]


def busy_seconds() -> float:
    """Return how long all cores together have been busy with anything at all, within 10 ms."""
    user, nice, system, _, _, *rest = (
        Path("/proc/stat").read_text(encoding="ascii").splitlines()[0].split()[1:]
    )
    return sum(map(int, (user, nice, system, *rest[:3]))) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Reading:
    """CPU of several processes, by name, and of the whole machine, at one moment."""

    at: float
    cpu: dict[str, float]
    busy: float

    def shares_since(self, before: "Reading") -> dict[str, float]:
        """Return for each name the share of one core since `before`."""
        wall = self.at - before.at
        return {name: round((cpu - before.cpu[name]) / wall, 5) for name, cpu in self.cpu.items()}

    def strangers_since(self, before: "Reading") -> float:
        """Return the cores that were busy with what none of the names stands for; figures want it near 0."""
        ours = sum(self.cpu.values()) - sum(before.cpu.values())
        return round((self.busy - before.busy - ours) / (self.at - before.at), 3)


def read(pids: dict[str, list[int]]) -> Reading:
    """Read the CPU of the processes that stand under each name."""
    return Reading(
        at=time.monotonic(),
        cpu={name: sum(map(cpu_seconds, among)) for name, among in pids.items()},
        busy=busy_seconds(),
    )


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""  # it has ended meanwhile
