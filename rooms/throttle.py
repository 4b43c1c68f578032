"""How often somebody may knock."""

from dataclasses import dataclass
from typing import Final

from django.core.cache import cache

KNOCKS_PER_MINUTE: Final = 30


class TooOften(Exception):
    """More knocks in a minute than anybody needs."""


@dataclass
class Bucket:
    """Lets `burst` through at once and `per_second` for good. Times are seconds of any one clock."""

    burst: float
    per_second: float
    at: float
    level: float = 0.0

    def takes(self, *, at: float) -> bool:
        """Say whether one more may pass now."""
        self.level = max(0.0, self.level - (at - self.at) * self.per_second)
        self.at = at
        if self.level + 1 > self.burst:
            return False
        self.level += 1
        return True


def knock(who: str) -> None:
    """Count a knock. Raise TooOften above thirty in about a minute."""
    key = f"knocks:{who}"
    cache.add(key, 0, 60)
    try:
        knocks = cache.incr(key)
    except ValueError:
        return  # the minute ended between the two
    if knocks > KNOCKS_PER_MINUTE:
        raise TooOften("Too many knocks in a minute.")
