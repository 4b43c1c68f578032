"""`python -m rooms.media crew|mixer|edge`: the media processes of one machine, or one of them.

python -m rooms.media crew     # two mixers, and as many edges as the cores allow; REDIS_URL says where
python -m rooms.media mixer --redis-url redis://… --name mixer-1 [--bind-ip 192.0.2.7]
python -m rooms.media edge --redis-url redis://… --name edge-1 [--port 40000] [--public-ip 203.0.113.5]
"""

import argparse
import asyncio
import ipaddress
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable

import structlog

from rooms.media import crew, machine, running

MIXERS = 2  # so that a room whose mixer dies has somewhere to go at once
MOST_LISTENERS = 4_000  # four fifths of what a pair was measured to carry: docs/performance.md

Serve = Callable[[asyncio.Event], Awaitable[None]]


def main() -> None:
    given = arguments(sys.argv[1:])
    _log_to_stderr()
    asyncio.run(_until_told(given.serve(given), in_crew=given.in_crew))


async def _until_told(serve: Serve, *, in_crew: bool) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(running.Breakages())
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    watching = asyncio.create_task(running.set_at_end_of_input(stop)) if in_crew else None
    await serve(stop)
    if watching is not None:
        watching.cancel()


def crew_of(given: argparse.Namespace) -> list[crew.Member]:
    """Return the members of the crew that was asked for."""
    members = [
        crew.Member("mixer", number, _mixer_arguments(given, number)) for number in range(given.mixers)
    ]
    edges = given.edges or crew.pairs_for(os.cpu_count() or 1)
    return members + [crew.Member("edge", number, _edge_arguments(given, number)) for number in range(edges)]


def _crew(given: argparse.Namespace) -> Serve:
    members = crew_of(given)
    return lambda stop: crew.serve(members, redis_url=given.redis_url, stop=stop)


def _mixer(given: argparse.Namespace) -> Serve:
    from rooms.media import mixer_process  # noqa: PLC0415 -- slow import: aiortc, which an edge does without

    settings = mixer_process.Settings(
        redis_url=given.redis_url,
        name=given.name,
        reach=machine.Reach(given.bind_ip or machine.addresses(), given.public_ip),
        metrics_port=given.metrics_port,
    )
    return lambda stop: mixer_process.serve(settings, stop=stop)


def _edge(given: argparse.Namespace) -> Serve:
    from rooms.media import edge_process  # noqa: PLC0415 -- slow import, which a crew does without

    bind = given.bind_ip[0] if given.bind_ip else None
    settings = edge_process.Settings(
        redis_url=given.redis_url,
        name=given.name,
        bind=bind,
        port=given.port or 0,
        public_ips=given.public_ip or given.bind_ip or machine.addresses(),
        most_listeners=given.listeners,
        metrics_port=given.metrics_port,
        start_high=given.start_high,
    )
    return lambda stop: edge_process.serve(settings, stop=stop)


def _mixer_arguments(given: argparse.Namespace, number: int) -> tuple[str, ...]:
    return (*_addresses_of(given), *_metrics(given, number))


def _edge_arguments(given: argparse.Namespace, number: int) -> tuple[str, ...]:
    port = given.port + number if given.port else 0
    return (
        *_addresses_of(given),
        *("--port", str(port), "--listeners", str(given.listeners)),
        *_metrics(given, given.mixers + number),
    )


def _addresses_of(given: argparse.Namespace) -> tuple[str, ...]:
    return ("--bind-ip", ",".join(given.bind_ip), "--public-ip", ",".join(given.public_ip))


def _metrics(given: argparse.Namespace, number: int) -> tuple[str, ...]:
    """Return the option for the crew's process of this number, mixers first."""
    return () if given.metrics_port is None else ("--metrics-port", str(given.metrics_port + number))


def arguments(words: list[str]) -> argparse.Namespace:
    """Read the command line. What it does not say, the environment does: .env.example names it."""
    parser = argparse.ArgumentParser(
        prog="python -m rooms.media", description="Carry the sound of live rooms."
    )
    roles = parser.add_subparsers(required=True, metavar="crew|mixer|edge")
    anybody, one, listeners = (argparse.ArgumentParser(add_help=False) for _ in range(3))
    said = os.environ.get
    add = anybody.add_argument
    add("--redis-url", default=said("REDIS_URL"), required="REDIS_URL" not in os.environ, help="REDIS_URL")
    add(
        "--bind-ip",
        type=_addresses,
        default=said("MEDIA_BIND_IP", ""),
        help="MEDIA_BIND_IP; empty: every address",
    )
    add(
        "--public-ip",
        type=_addresses,
        default=said("MEDIA_PUBLIC_IPS", ""),
        help="MEDIA_PUBLIC_IPS, told to browsers",
    )
    add(
        "--metrics-port",
        type=_number,
        default=said("MEDIA_METRICS_PORT", ""),
        help="MEDIA_METRICS_PORT, on 127.0.0.1",
    )
    add = one.add_argument
    add("--name", required=True, help="unique among the processes on one Redis, and for each life")
    add("--in-crew", action="store_true", help="end with standard input")
    add = listeners.add_argument
    add("--port", type=_number, default=said("MEDIA_PORT", ""), help="MEDIA_PORT, UDP; empty: any")
    add(
        "--listeners",
        type=int,
        default=said("MEDIA_LISTENERS_PER_EDGE") or str(MOST_LISTENERS),
        help="MEDIA_LISTENERS_PER_EDGE",
    )
    role = roles.add_parser("crew", parents=[anybody, listeners], help="all of one machine, kept alive")
    role.add_argument("--mixers", type=int, default=said("MEDIA_MIXERS") or str(MIXERS), help="MEDIA_MIXERS")
    role.add_argument(
        "--edges",
        type=_number,
        default=said("MEDIA_EDGES", ""),
        help="MEDIA_EDGES; empty: as the cores allow",
    )
    role.set_defaults(serve=_crew, in_crew=False)
    role = roles.add_parser("mixer", parents=[anybody, one], help="rooms: speakers and mixes")
    role.set_defaults(serve=_mixer)
    role = roles.add_parser("edge", parents=[anybody, one, listeners], help="listeners, on one UDP port")
    role.add_argument(
        "--start-high", action="store_true", help="begin just below the end of sequence numbers"
    )
    role.set_defaults(serve=_edge)
    return parser.parse_args(words)


def _number(text: str) -> int | None:
    return int(text) if text else None


def _addresses(text: str) -> tuple[str, ...]:
    """Return the addresses in a list with commas."""
    return tuple(str(ipaddress.ip_address(word.strip())) for word in text.split(",") if word.strip())


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
