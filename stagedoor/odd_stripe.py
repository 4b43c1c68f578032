"""The stand-in at its oddest, which is still Stripe: what the demo turns on, brings about and looks at.

Every optional field is left out, fees come an hour after their charge, sales settle in another currency than
that of the price, and each webhook comes three times, in any order.
"""

import time
from dataclasses import dataclass
from typing import Any

import httpx

from stagedoor.processes import Address

SETTLES_IN = "aud"
COPIES = 3
HOUR = 3600
PATIENCE = 60.0
SWITCHES = {
    "leave_out_optional": True,
    "fees_delay_seconds": HOUR,
    "settle_in": SETTLES_IN,
    "exchange_rate": 1.63,
    "duplicate": COPIES,
    "shuffle": True,
    "delay_seconds": 1.5,
}
OWN_EUROS = 100_00  # what the platform put into its balance itself: transfers leave in the payee's currency


class NotOdd(Exception):
    """Stripe was not as odd as it was told to be, or has not come to an end."""


@dataclass(frozen=True)
class OddStripe:
    """A running stand-in, by its address."""

    base_url: str

    @classmethod
    def at(cls, address: Address) -> "OddStripe":
        return cls(f"http://127.0.0.1:{address.stripe_port}")

    def begin(self) -> None:
        """Turn every oddity on, before anything is sold."""
        self._desk("switches", SWITCHES)
        self._desk("acts/top_up", {"amount": OWN_EUROS, "currency": "eur"})

    def let_an_hour_pass(self) -> None:
        """Let Stripe, and nobody else, come to the moment at which fees are known."""
        self._desk("clock", {"advance_seconds": HOUR + 1})

    def prove(self) -> str:
        """Wait until all webhooks have arrived, and return in a sentence what was odd. Raise NotOdd."""
        self._until_all_is_told()
        charges = self._list("charges")
        booked = self._list("balance_transactions?type=charge")
        refunds = self._list("refunds")
        made = {one["id"]: one["created"] for one in charges}
        oddities = {
            "fees came late": all(line["created"] >= made[line["source"]] + HOUR for line in booked),
            "sales settled elsewhere": {line["currency"] for line in booked} == {SETTLES_IN},
            "prices did not": {one["currency"] for one in charges} == {"eur"},
            "optional fields were left out": all("destination_details" not in one for one in refunds),
        }
        if not (booked and refunds) or not all(oddities.values()):
            raise NotOdd(f"Stripe was not odd: {oddities}.")
        return (
            f"Stripe was odd: {len(booked)} charges in EUR settled in {SETTLES_IN.upper()}, fees came an "
            f"hour late, no optional field was told, each webhook came {COPIES} times and in any order."
        )

    def _until_all_is_told(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while self._list("events?delivery_success=false"):
            if time.monotonic() > deadline:
                raise NotOdd("Not every webhook has arrived.")
            time.sleep(0.3)

    def _desk(self, path: str, told: dict[str, Any]) -> None:
        httpx.post(f"{self.base_url}/_stand_in/{path}", json=told, timeout=PATIENCE).raise_for_status()

    def _list(self, path: str) -> list[dict[str, Any]]:
        headers = {"Authorization": "Bearer sk_test_demo", "Stripe-Version": "2026-10-28.endive"}
        answer = httpx.get(f"{self.base_url}/v1/{path}", headers=headers, timeout=PATIENCE)
        rows: list[dict[str, Any]] = answer.raise_for_status().json()["data"]
        return rows
