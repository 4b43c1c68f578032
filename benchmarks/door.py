"""Where a server under test answers offers: JSON datagrams on a Unix socket, each with its number."""

import asyncio
import contextlib
import json
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

MOST_BYTES: Final = 65_536

Reply = Callable[[dict[str, Any]], Awaitable[dict[str, Any] | None]]


class Refused(Exception):
    """The server does not answer this offer."""


async def serve(path: Path, reply: Reply) -> None:
    """Answer whoever calls at `path` until cancelled. A question with a number gets an answer with it."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK) as door:
        door.bind(str(path))
        door.listen(16)
        async with asyncio.TaskGroup() as callers:
            while True:
                caller, _ = await loop.sock_accept(door)
                callers.create_task(_attend(caller, reply))


async def _attend(caller: socket.socket, reply: Reply) -> None:
    loop = asyncio.get_running_loop()
    # Bounded by the benchmark's listeners. One writer, for of two that wait on a descriptor one is forgotten.
    waiting: asyncio.Queue[bytes] = asyncio.Queue()
    with caller:
        writing = loop.create_task(_write(caller, waiting))
        # An answer in a task of its own: while one is made, the next question is read.
        async with asyncio.TaskGroup() as answers:
            while letter := await _read(caller):
                answers.create_task(_answer(waiting, json.loads(letter), reply))
        writing.cancel()


async def _read(caller: socket.socket) -> bytes:
    try:
        return await asyncio.get_running_loop().sock_recv(caller, MOST_BYTES)
    except ConnectionError:
        return b""  # gone without having read all


async def _write(caller: socket.socket, waiting: "asyncio.Queue[bytes]") -> None:
    with contextlib.suppress(ConnectionError):
        while True:
            await asyncio.get_running_loop().sock_sendall(caller, await waiting.get())


async def _answer(waiting: "asyncio.Queue[bytes]", question: dict[str, Any], reply: Reply) -> None:
    try:
        told = await reply(question)
    except Refused as no:
        told = {"refused": str(no)}
    if told is not None:
        numbered = {"number": question["number"], **told} if "number" in question else told
        waiting.put_nowait(json.dumps(numbered).encode())


class Caller:
    """The other side of the door, for a benchmark that asks one question at a time."""

    def __init__(self, path: Path) -> None:
        self._line = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._line.settimeout(20)
        self._line.connect(str(path))

    def ask(self, **question: object) -> dict[str, Any]:
        self._line.send(json.dumps(question).encode())
        told: dict[str, Any] = json.loads(self._line.recv(MOST_BYTES))
        return told

    def close(self) -> None:
        self._line.close()
