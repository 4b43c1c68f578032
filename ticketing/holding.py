"""Holding without paying has a bound: per person, network and event, in a time that passes.

An order says when it was let go, and by a mark from which network it was held. Marks are kept for a day.
"""

import hashlib
import hmac
from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network

from django.conf import settings
from django.db.models import F, Sum
from django.db.models.functions import Coalesce

from accounts.models import User
from ticketing.limits import LONGEST_HELD, MOST_HELD, MOST_HELD_OF_A_NETWORK, NETWORKS_KEPT
from ticketing.models import Event, Order

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
PREFIXES = {4: 24, 6: 56}  # so much of an address is one network


class HeldTooOften(Exception):
    """Seats of this event were held so often, or so long, that it is the turn of others for a while."""


def refuse_too_many(*, buyer: User, event: Event, network: str = "", at: datetime) -> None:
    """Raise HeldTooOften when this person, or this network, has let go of too much. Three queries."""
    let_go = Order.objects.filter(event=event, status=Order.Status.EXPIRED)
    own = let_go.filter(buyer=buyer)
    if own.filter(placed_at__gt=at - HOUR).count() >= MOST_HELD:
        raise HeldTooOften
    length = Coalesce(F("let_go_at"), F("held_until")) - F("placed_at")
    held = own.filter(placed_at__gt=at - DAY).aggregate(held=Sum(length))["held"]
    if held is not None and held >= LONGEST_HELD:
        raise HeldTooOften
    if network and let_go.filter(network=network, placed_at__gt=at - HOUR).count() >= MOST_HELD_OF_A_NETWORK:
        raise HeldTooOften


def mark_of(address: str) -> str:
    """Return the mark of the network that an address belongs to, from which the address cannot be told."""
    try:
        version = ip_address(address).version
    except ValueError:
        return ""
    network = ip_network(f"{address}/{PREFIXES[version]}", strict=False)
    key = settings.SECRET_KEY.encode()
    return hmac.new(key, f"ticketing.network:{network}".encode(), hashlib.sha256).hexdigest()[:32]


def forget_networks(*, at: datetime) -> int:
    """Blank the marks of orders that are older than any bound looks back; return of how many."""
    return Order.objects.filter(placed_at__lt=at - NETWORKS_KEPT).exclude(network="").update(network="")
