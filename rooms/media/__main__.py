"""`python -m rooms.media --redis-url redis://… --name media-1 [--bind-ip 127.0.0.1]`: one media process."""

import argparse
import asyncio
import ipaddress
import logging
import signal
import sys

import structlog

from rooms.media import house, process, wire


def main() -> None:
    settings = _settings(sys.argv[1:])
    _log_to_stderr()
    asyncio.run(_serve(settings))


async def _serve(settings: process.Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    await process.serve(settings, stop=stop)


def _settings(arguments: list[str]) -> process.Settings:
    parser = argparse.ArgumentParser(
        prog="python -m rooms.media", description="Carry the sound of live rooms."
    )
    parser.add_argument("--redis-url", required=True, help="where calls come from and events go to")
    parser.add_argument("--name", required=True, help="this process's name, unique among those on one Redis")
    parser.add_argument(
        "--bind-ip",
        action="append",
        type=lambda text: str(ipaddress.ip_address(text)),
        help="an address to carry sound on; may be repeated; without it, every address of this machine",
    )
    parser.add_argument("--most-listeners", type=int, default=house.MOST_LISTENERS)
    given = parser.parse_args(arguments)
    return process.Settings(
        redis_url=given.redis_url,
        name=given.name,
        addresses=tuple(given.bind_ip or wire.host_addresses()),
        most_listeners=given.most_listeners,
    )


def _log_to_stderr() -> None:
    """One JSON object per line. aiortc and aioice would log addresses, so only their errors pass."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(message)s")
    for chatty in ("aiortc", "aioice"):
        logging.getLogger(chatty).setLevel(logging.ERROR)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
    )


if __name__ == "__main__":
    main()
