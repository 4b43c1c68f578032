"""python -m benchmarks.revoke: how long whoever may not stay goes on hearing the room.

The whole product runs, a host plays a tone, and one listener after the other loses the right to be there in
another way. Printed on standard error as a table, on standard output as one JSON object with its bars.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from unittest import mock

from stagedoor import embedded, processes
from stagedoor.processes import PYTHON, Address
from stagedoor.visitor import Visitor

if TYPE_CHECKING:
    from benchmarks.losing import Stage, Way
    from rooms.media.ear import Heard

BAR_SECONDS: Final = 2.0
LOST_BAR_SECONDS: Final = 10.0  # where a message was lost: the census finds it
HEARS_FOR: Final = 3.0  # before the act
READY_SECONDS: Final = 60.0
TAB: Final = "0" * 32


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure silence after each way of losing a seat.")
    parser.add_argument("--only", help="a part of the name of the acts to try")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="stagedoor-revoke-", ignore_cleanup_errors=True) as folder:
        rows = _measure(Path(folder), only=given.only or "")
    passed = all(row["seconds"] <= row["bar"] for row in rows)
    bars = {"seconds": BAR_SECONDS, "seconds_after_a_lost_message": LOST_BAR_SECONDS}
    print(json.dumps({"silence": rows, "bars": bars, "passed": passed}))
    sys.exit(not passed)


def _measure(var: Path, *, only: str) -> list[dict[str, Any]]:
    var.chmod(0o755)  # PostgreSQL does not run as root, and must find its data
    address = Address(web_port=processes.free_port(), stripe_port=processes.free_port())
    os.environ.update(DEBUG="1", VAR_DIR=str(var), DATABASE_URL="", REDIS_URL="", LOG_LEVEL="WARNING")
    os.environ.update(DJANGO_SETTINGS_MODULE="stagedoor.settings", DJANGO_ALLOW_ASYNC_UNSAFE="1")
    with ExitStack() as running:
        running.enter_context(embedded.servers(var))
        environment = processes.environment(address, var)
        os.environ.update(environment)
        import django  # noqa: PLC0415 -- app-ready: the settings read the environment above

        django.setup()
        everybody = running.enter_context(
            processes.company(
                address, environment=environment, logs=var / "logs", stand_in=var / "stripe.jsonl"
            )
        )
        from benchmarks import losing  # noqa: PLC0415 -- app-ready: the same

        stage = losing.Stage.put_up()
        play = ["play", "--room", stage.event.slug, "--as", stage.host.handle, "--open", "--loop"]
        everybody.start("music", PYTHON, "manage.py", *play)
        losing.until(stage.is_open, READY_SECONDS)
        chosen = [way for way in losing.ways(stage) if only in way.name]
        return [_try(way, stage, address.base_url) for way in chosen]


def _try(way: "Way", stage: "Stage", base_url: str) -> dict[str, Any]:
    """Let somebody listen, take their right away, and see how long they go on hearing."""
    fan = way.fan()
    heard: list[Heard] = []
    with Visitor(fan.handle, base_url) as visitor:
        visitor.sign_in(email=fan.email, password=stage.password)
        hearing = threading.Thread(target=lambda: heard.append(_listen(visitor, stage.event.slug)))
        hearing.start()
        time.sleep(HEARS_FOR + 2)  # to connect
        acted_at = time.time()
        with _lost(way.loses):
            way.act(fan)
        hearing.join()
    audible = heard[0].last_audible_at or 0.0
    seconds = audible - acted_at if audible else -1.0
    bar = LOST_BAR_SECONDS if way.loses else BAR_SECONDS
    was_heard = heard[0].joined_in is not None
    row = {"act": way.name, "seconds": round(max(seconds, 0.0), 2) if was_heard else 99.0, "bar": bar}
    print(f"{way.name:<26} {row['seconds']:>6.2f} s   (bar {bar:g} s)", file=sys.stderr, flush=True)
    return row


def _listen(visitor: Visitor, slug: str) -> "Heard":
    from rooms.media import ear  # noqa: PLC0415 -- slow import

    visitor.open(f"/rooms/{slug}/")
    seat = visitor.send_json(f"/rooms/{slug}/seat", {"tab": TAB})
    seat.raise_for_status()
    told = seat.json()
    whep = str(visitor.http.base_url.join(told["whep_url"]))
    return asyncio.run(ear.listen(whep_url=whep, grant=told["grants"]["listen"], seconds=20.0))


@contextmanager
def _lost(calls: tuple[str, ...]) -> Iterator[None]:
    """Let what this process asks of the media processes be lost while the block lasts."""
    with ExitStack() as lost:
        for call in calls:
            lost.enter_context(mock.patch(f"rooms.media_calls.{call}", return_value=None))
        yield


if __name__ == "__main__":
    main()
