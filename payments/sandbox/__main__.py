"""`python -m payments.sandbox`: the stand-in as a process of its own, for development."""

import argparse
import os
import sys
from contextlib import suppress
from pathlib import Path

from payments.sandbox.serve import HOST, listen, make_server, make_world
from payments.sandbox.webhooks import Courier


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m payments.sandbox", description="A stand-in for Stripe.")
    parser.add_argument("--port", type=int, default=8012, help="the port on 127.0.0.1")
    parser.add_argument(
        "--state", type=Path, default=Path("var/sandbox/state.jsonl"), help="what it remembers"
    )
    parser.add_argument("--webhook-url", default="http://127.0.0.1:8000/payments/webhook/")
    parser.add_argument("--webhook-secret", required=True, help="signs events about the platform")
    parser.add_argument(
        "--webhook-connect-url", help="hears of connected accounts; default: the same endpoint"
    )
    parser.add_argument("--webhook-connect-secret", help="signs events about connected accounts")
    parser.add_argument(
        "--webhook-events", help="types with commas between them; default: every event goes out"
    )
    return parser.parse_args(arguments)


def _refuse(sentence: str) -> int:
    sys.stderr.write(f"{sentence}\n")
    return 2


def main(arguments: list[str]) -> int:
    """Run until interrupted; return the exit status."""
    options = _options(arguments)
    if os.environ.get("DEBUG", "").lower() not in {"true", "1", "on", "yes"}:
        return _refuse("The Stripe stand-in is for development only: it starts when DEBUG is on.")
    try:
        ear = listen(options.port)
    except OSError:
        return _refuse(f"Port {options.port} is taken: stop what uses it, or choose another with --port.")
    world = make_world(
        base_url=f"http://{HOST}:{options.port}",
        webhook_url=options.webhook_url,
        webhook_secret=options.webhook_secret,
        connect_url=options.webhook_connect_url,
        connect_secret=options.webhook_connect_secret,
        state_path=options.state,
        events=options.webhook_events.split(",") if options.webhook_events else None,
    )
    with suppress(KeyboardInterrupt):  # uvicorn has shut down by then, and passes Ctrl-C on
        make_server(world, Courier(world)).run(sockets=[ear])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
