import asyncio
import signal
from typing import Any

from django.core.management.base import BaseCommand

from rooms import stagehand


class Command(BaseCommand):
    help = "Pass on who speaks, count who heard, and every ten seconds make each room agree with its rows."

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002 -- Django's signature
        asyncio.run(_until_told())


async def _until_told() -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    await stagehand.work(stop=stop)
