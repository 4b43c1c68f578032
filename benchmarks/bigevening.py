"""What an evening of thousands does to everybody else: released, called off, and a crowd at the door.

    python -m benchmarks.bigevening
    python -m benchmarks.bigevening --seats 1000 --requests 200

Prints one JSON object. The product runs with its own workers over its own PostgreSQL and Redis, without
Stripe, which does not answer: refunds wait. Two evenings are written with all that the books need.
First nothing else happens: that gives the usual times of a letter (written until left) and of a webhook
(posted until handled). Then one evening is released, then the other called off, with the same beside it; at
last so many requests come at once.
"""

import argparse
import hashlib
import hmac
import json
import os
import shutil
import statistics
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

PROBE_EVERY_SECONDS: Final = 1.0
CALM_SECONDS: Final = 20.0
LOOK_EVERY_SECONDS: Final = 0.2
LATEST_SECONDS: Final = 60.0
PATIENCE_SECONDS: Final = 900.0
SIGNED_WITH: Final = "whsec_bigevening"
# Seconds; a letter is usually gone within the clock's five, a webhook is handled as soon as it is there.
BARS: Final = {
    "letter_p95_s": 10,
    "webhook_p95_s": 5,
    "released_s": 120,
    "called_off_s": 420,
    "requests_that_failed": 0,
}


def main() -> None:
    parser = argparse.ArgumentParser(description="A big evening, and what others notice of it.")
    parser.add_argument("--seats", type=int, default=20_000)
    parser.add_argument("--requests", type=int, default=500)
    wanted = parser.parse_args()
    var = Path(tempfile.mkdtemp(prefix="bigevening-"))
    var.chmod(0o755)  # PostgreSQL runs as a user of its own when we are root
    try:
        told = _play(var, seats=wanted.seats, requests=wanted.requests)
    finally:
        shutil.rmtree(var, ignore_errors=True)
    print(json.dumps(told, indent=2))


def _play(var: Path, *, seats: int, requests: int) -> dict[str, Any]:
    os.environ.update(
        DJANGO_SETTINGS_MODULE="stagedoor.settings",
        DEBUG="1",
        VAR_DIR=str(var),
        DATABASE_URL="",
        REDIS_URL="",
        EMAIL_URL="filemail://",
        HOLDING_DAYS="0",
        LOG_LEVEL="WARNING",
        STRIPE_SECRET_KEY="sk_test_bigevening",  # noqa: S106 -- it opens nothing
        STRIPE_WEBHOOK_SECRETS=SIGNED_WITH,
        STRIPE_API_BASE="http://127.0.0.1:9",
    )
    from stagedoor import embedded  # noqa: PLC0415 -- app-ready: the lines above come first

    with embedded.servers(var):
        os.environ.update(DATABASE_URL=embedded.database_url(var), REDIS_URL=embedded.redis_url(var))
        import django  # noqa: PLC0415 -- app-ready

        django.setup()
        from benchmarks import evening  # noqa: PLC0415 -- app-ready
        from stagedoor import processes  # noqa: PLC0415 -- app-ready

        address = processes.Address(web_port=processes.free_port(), stripe_port=processes.free_port())
        environment = {**processes.environment(address, var), "STRIPE_API_BASE": "http://127.0.0.1:9"}
        company = processes.company(address, environment=environment, logs=var / "logs", stand_in=None)
        with company:
            return _scenes(evening, address.base_url, seats=seats, requests=requests)


def _scenes(evening: Any, base_url: str, *, seats: int, requests: int) -> dict[str, Any]:
    first, second = evening.sold(seats), evening.sold(seats)
    with _probes(evening, base_url) as calm:
        time.sleep(CALM_SECONDS)
    with _probes(evening, base_url) as while_released:
        released = _timed(lambda: evening.end(first), lambda: evening.is_released(first))
    with _probes(evening, base_url) as while_called_off:
        called_off = _timed(lambda: evening.call_off(second), lambda: evening.is_called_off(second))
    answers = _crowd(f"{base_url}/events/{first.slug}/", requests)
    worst = [while_released, while_called_off]
    measured = {
        "letter_p95_s": max(each["letters"]["p95_s"] for each in worst),
        "webhook_p95_s": max(each["webhooks"]["p95_s"] for each in worst),
        "released_s": released,
        "called_off_s": called_off,
        "requests_that_failed": sum(count for status, count in answers.items() if status != "200"),
    }
    return {
        "seats": seats,
        "usual": calm,
        "while_released": while_released,
        "while_called_off": while_called_off,
        "answers": answers,
        "promises": evening.broken_promises(),
        **measured,
        "bars": {name: {"bar": bar, "met": measured[name] <= bar} for name, bar in BARS.items()},
    }


def _timed(begin: Callable[[], object], is_done: Callable[[], bool]) -> float:
    start = time.monotonic()
    begin()
    while not is_done():
        if time.monotonic() - start > PATIENCE_SECONDS:
            return PATIENCE_SECONDS
        time.sleep(0.5)
    return round(time.monotonic() - start, 1)


class Probes:
    """Sends a letter and a webhook every second, and notes when each of them has arrived."""

    def __init__(self, evening: Any, base_url: str) -> None:
        self.evening, self.base_url = evening, base_url
        self.sent: dict[str, float] = {}
        self.took: dict[str, dict[str, float]] = {"letters": {}, "webhooks": {}}
        self.stop = threading.Event()
        self.threads = [threading.Thread(target=self._send), threading.Thread(target=self._watch)]

    def _send(self) -> None:
        while not self.stop.wait(PROBE_EVERY_SECONDS):
            name = uuid.uuid4().hex
            self.sent[name] = time.monotonic()
            self.evening.write_a_letter(name)
            _post_a_webhook(self.base_url, name)
        self.evening.close()

    def _watch(self) -> None:
        deadline = None
        while deadline is None or (time.monotonic() < deadline and not self._all_arrived()):
            time.sleep(LOOK_EVERY_SECONDS)
            for kind, arrived in self.evening.arrived(list(self.sent)).items():
                for name in arrived:
                    self.took[kind].setdefault(name, time.monotonic() - self.sent[name])
            if deadline is None and self.stop.is_set():
                deadline = time.monotonic() + LATEST_SECONDS
        self.evening.close()

    def _all_arrived(self) -> bool:
        return all(len(took) == len(self.sent) for took in self.took.values())


@contextmanager
def _probes(evening: Any, base_url: str) -> Iterator[dict[str, Any]]:
    """Send probes while the block lasts; afterwards say how long they took from sent to arrived."""
    told: dict[str, Any] = {}
    probes = Probes(evening, base_url)
    for thread in probes.threads:
        thread.start()
    try:
        yield told
    finally:
        probes.stop.set()
        for thread in probes.threads:
            thread.join()
    for kind, took in probes.took.items():
        told[kind] = _summed(list(took.values()), len(probes.sent))


def _summed(seconds: list[float], sent: int) -> dict[str, float]:
    if len(seconds) < 2:
        return {"sent": sent, "p50_s": PATIENCE_SECONDS, "p95_s": PATIENCE_SECONDS}
    # One that never arrived took longer than any that did.
    seconds = sorted([*seconds, *[PATIENCE_SECONDS] * (sent - len(seconds))])
    parts = statistics.quantiles(seconds, n=20)
    return {"sent": sent, "p50_s": round(parts[9], 2), "p95_s": round(parts[18], 2)}


def _post_a_webhook(base_url: str, name: str) -> None:
    import httpx  # noqa: PLC0415 -- slow import

    at = int(datetime.now(UTC).timestamp())
    body = json.dumps(
        {
            "id": f"evt_{name}",
            "object": "event",
            "type": "product.created",  # nobody answers it: it is taken in, looked at and put away
            "api_version": "2025-01-01",
            "created": at,
            "livemode": False,
            "pending_webhooks": 1,
            "request": None,
            "data": {"object": {"id": f"prod_{name}", "object": "product"}},
        }
    )
    mark = hmac.new(SIGNED_WITH.encode(), f"{at}.{body}".encode(), hashlib.sha256).hexdigest()
    headers = {"Stripe-Signature": f"t={at},v1={mark}", "Content-Type": "application/json"}
    httpx.post(f"{base_url}/payments/webhook/", content=body, headers=headers, timeout=30)


def _crowd(url: str, count: int) -> dict[str, int]:
    """Let so many ask for one page at once; return how many had which answer."""
    import httpx  # noqa: PLC0415 -- slow import

    start = threading.Barrier(count)
    answers: Counter[str] = Counter()
    lock = threading.Lock()

    def ask() -> None:
        start.wait()
        try:
            said = str(httpx.get(url, timeout=300).status_code)
        except httpx.TransportError as trouble:
            said = type(trouble).__name__
        with lock:
            answers[said] += 1

    people = [threading.Thread(target=ask) for _ in range(count)]
    for person in people:
        person.start()
    for person in people:
        person.join()
    return dict(answers)


if __name__ == "__main__":
    main()
