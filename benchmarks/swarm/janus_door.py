"""Janus's door: one session, a handle for each listener, over its Unix socket of datagrams."""

import itertools
import json
import re
import socket
from collections.abc import Iterator
from typing import Any, Final

_MOST_BYTES: Final = 65_536
_MID: Final = re.compile(r"a=mid:(\S+)")


class JanusDoor:
    """`plugin` is "streaming", where Janus offers and we answer, or "audiobridge", where we offer.

    Either way a listener's own description goes in, and Janus's comes out.
    """

    setup = "active"

    def __init__(self, path: str, *, plugin: str) -> None:
        self._plugin = plugin
        self._line = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._line.connect(path)
        self._transactions = itertools.count(1)
        self._session: int | None = None
        self._before_session: list[tuple[int, str]] = []
        self._attaching: dict[str, tuple[int, str]] = {}
        self._ours: dict[int, tuple[int, str]] = {}  # handle -> number, our description
        self._handles: dict[int, int] = {}  # number -> handle
        self._send(janus="create")

    def fileno(self) -> int:
        return self._line.fileno()

    def ask(self, number: int, offer: str) -> None:
        if self._session is None:
            self._before_session.append((number, offer))
            return
        transaction = self._send(janus="attach", plugin=f"janus.plugin.{self._plugin}")
        self._attaching[transaction] = (number, offer)

    def leave(self, number: int) -> None:
        handle = self._handles.pop(number, None)
        if handle is not None:
            self._ours.pop(handle, None)
            self._send(janus="detach", handle_id=handle)

    def answers(self) -> Iterator[tuple[int, str | None]]:
        while letter := self._next():
            told = json.loads(letter)
            if told["janus"] == "success":
                self._begin(told)
            elif (handle := told.get("sender")) in self._ours:
                yield from self._answer(handle, told)

    def _begin(self, told: dict[str, Any]) -> None:
        """Take a new session or handle into use."""
        if self._session is None:
            self._session = told["data"]["id"]
            for number, offer in self._before_session:
                self.ask(number, offer)
        elif told["transaction"] in self._attaching:
            handle = told["data"]["id"]
            number, offer = self._ours[handle] = self._attaching.pop(told["transaction"])
            self._handles[number] = handle
            if self._plugin == "streaming":
                self._message(handle, {"request": "watch", "id": 1})
            else:
                body = {"request": "join", "room": 1, "muted": True}
                self._message(handle, body, jsep={"type": "offer", "sdp": offer})

    def _answer(self, handle: int, told: dict[str, Any]) -> Iterator[tuple[int, str | None]]:
        number, ours = self._ours[handle]
        refused = told["janus"] == "error" or "error" in told.get("plugindata", {}).get("data", {})
        theirs = told.get("jsep", {})
        if refused:
            yield number, None
        elif theirs and theirs["type"] == "offer":
            found = _MID.search(theirs["sdp"])
            mid = found[1] if found else "0"
            answer = ours.replace("a=mid:0\r", f"a=mid:{mid}\r").replace("BUNDLE 0\r", f"BUNDLE {mid}\r")
            self._message(handle, {"request": "start"}, jsep={"type": "answer", "sdp": answer})
            yield number, theirs["sdp"]
        elif theirs:
            yield number, theirs["sdp"]

    def _message(self, handle: int, body: dict[str, object], **more: object) -> None:
        self._send(janus="message", handle_id=handle, body=body, **more)

    def _send(self, **question: object) -> str:
        transaction = str(next(self._transactions))
        if self._session is not None:
            question["session_id"] = self._session
        self._line.send(json.dumps({**question, "transaction": transaction}).encode())
        return transaction

    def _next(self) -> bytes:
        try:
            letter = self._line.recv(_MOST_BYTES, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return b""
        if not letter:
            raise EOFError("Janus has closed its door.")
        return letter
