"""python -m benchmarks.firstrun: `make run` from nothing, again and again, on a busy machine.

Each run has a new, empty var/ and ports of its own, and endless loops beside it. A run counts if it opens,
its town is whole, its music plays, and SIGTERM ends all of it in order.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx

from stagedoor.processes import BASE_DIR, PYTHON, free_port

OPEN_SECONDS: Final = 600.0
MUSIC_SECONDS: Final = 120.0
STAYS_SECONDS: Final = 15.0  # it must go on for so long after it has opened: sweeps have come round by then
END_SECONDS: Final = 60.0
TONIGHT: Final = "Slow radio for night owls"
COMING: Final = (
    "Ghost stories, the second night",
    "Jazz at the kitchen table",
    "Questions a cellist never gets asked",
)


def main() -> None:
    parser = argparse.ArgumentParser(description="Start everything from nothing on a busy machine.")
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--busy", type=int, default=3, help="endless loops beside it")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that what was started is ended
    runs = []
    with busy(given.busy):
        for number in range(1, given.times + 1):
            with tempfile.TemporaryDirectory(prefix="stagedoor-first-", ignore_cleanup_errors=True) as folder:
                runs.append(_start_once(Path(folder)))
            print(f"{number} of {given.times}: {json.dumps(runs[-1])}", file=sys.stderr, flush=True)
    towns = sum(run["problem"] == "" for run in runs)
    print(json.dumps({"towns": towns, "bars": {"towns": given.times}, "busy": given.busy, "runs": runs}))
    sys.exit(towns != given.times)


@contextmanager
def busy(loops: int) -> Iterator[None]:
    """Keep so many processes busy with nothing while the block lasts."""
    spinning = [subprocess.Popen([PYTHON, "-c", "while True: pass"]) for _ in range(loops)]  # noqa: S603 -- our own
    try:
        yield
    finally:
        for process in spinning:
            process.kill()
            process.wait()


def _start_once(var: Path) -> dict[str, Any]:
    var.chmod(0o755)  # PostgreSQL does not run as root, and must find its data
    web = free_port()
    environment = {**os.environ, "DEBUG": "1", "VAR_DIR": str(var), "DATABASE_URL": "", "REDIS_URL": ""}
    environment |= {"WEB_PORT": str(web), "STRIPE_PORT": str(free_port()), "PYTHONUNBUFFERED": "1"}
    said = var / "said.txt"
    began = time.monotonic()
    with said.open("wb") as out:
        live = subprocess.Popen(  # noqa: S603 -- our own command
            [PYTHON, "manage.py", "live"], cwd=BASE_DIR, env=environment, stdout=out, stderr=subprocess.STDOUT
        )
        try:
            problem = _problem(live, said, web)
        finally:
            took = time.monotonic() - began
            live.send_signal(signal.SIGTERM)
            try:
                code = live.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                live.kill()
                code = live.wait()
    if code and not problem:
        problem = f"It ended with {code}."
    run: dict[str, Any] = {"problem": problem, "seconds": round(took, 1)}
    return run | ({"said": said.read_text(errors="replace")[-2000:]} if problem else {})


def _problem(live: subprocess.Popen[bytes], said: Path, web: int) -> str:
    """Return what is wrong with this first run; nothing is what we hope for."""
    if not _within(OPEN_SECONDS, lambda: "Stagedoor is open" in said.read_text(errors="replace"), live):
        return "It did not open."
    front = f"http://localhost:{web}/"
    if not _within(MUSIC_SECONDS, lambda: TONIGHT in _live_part(front), live):
        return "Tonight's music does not play."
    page = httpx.get(front, timeout=30, trust_env=False).text
    missing = [title for title in COMING if title not in page]
    if missing:
        return f"The town lacks {missing}."
    nowhere = httpx.get(f"{front}no/such/page", timeout=30, trust_env=False)
    if "This door leads nowhere" not in nowhere.text:
        return "Its 404 is not our own."
    if _within(STAYS_SECONDS, lambda: live.poll() is not None, live):
        return "It ended by itself."
    words = said.read_text(errors="replace")
    return "The town was not finished at once." if "not finished" in words else ""


def _live_part(front: str) -> str:
    """Return the part of the front page that shows what is live now."""
    page = httpx.get(front, timeout=30, trust_env=False).text
    _before, _mark, live = page.partition('id="live-now"')
    return live.partition("</section>")[0]


def _within(seconds: float, ask: Any, live: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if ask():
            return True
        if live.poll() is not None:
            return False
        time.sleep(0.3)
    return False


if __name__ == "__main__":
    main()
