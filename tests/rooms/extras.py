"""Media processes that stand in the real register and take real calls, but carry no sound."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal, cast

from redis import Redis

Answer = Callable[[Mapping[str, Any]], Mapping[str, Any]]
LONG = 3600.0

LOADS = {"mixer": {"rooms": 0, "speakers": 0}, "edge": {"listeners": 0, "most": 100}}


class Extras:
    """Who stands in the register, and what was asked of whom."""

    def __init__(self, redis_url: str) -> None:
        self.url = redis_url
        self.redis: Redis = Redis.from_url(redis_url, decode_responses=True)

    def sign_on(
        self, kind: Literal["mixer", "edge"], name: str, *, draining: bool = False, **load: int
    ) -> str:
        """Have the process live for the rest of the test."""
        state = {**LOADS[kind], **load, "at": time.time() + LONG, "draining": draining}
        self.redis.hset(f"media:{kind}s", name, json.dumps(state))
        return name

    def die(self, kind: Literal["mixer", "edge"], name: str) -> None:
        """Have the process be silent for just too long."""
        state = {**LOADS[kind], "at": time.time() - 2.6, "draining": False}
        self.redis.hset(f"media:{kind}s", name, json.dumps(state))

    def home(self, room_id: str) -> str | None:
        return cast("str | None", self.redis.get(f"media:home:{room_id}"))

    def settle(self, room_id: str, name: str) -> None:
        self.redis.set(f"media:home:{room_id}", name)

    def told(self, name: str) -> list[dict[str, Any]]:
        """Return the calls that wait for this process, in their order, and take them."""
        letters = cast("list[str]", self.redis.lrange(f"media:calls:{name}", 0, -1))
        self.redis.delete(f"media:calls:{name}")
        return [json.loads(letter) for letter in letters]

    @contextmanager
    def answering(self, name: str, answer: Answer) -> Iterator[list[dict[str, Any]]]:
        """Answer what this process is asked while the block lasts; yield the list of calls taken."""
        taken: list[dict[str, Any]] = []
        stop = threading.Event()
        thread = threading.Thread(target=self._answer, args=(name, answer, taken, stop), daemon=True)
        thread.start()
        try:
            yield taken
        finally:
            stop.set()
            thread.join(10)

    def _answer(self, name: str, answer: Answer, taken: list[dict[str, Any]], stop: threading.Event) -> None:
        with Redis.from_url(self.url, decode_responses=True) as redis:
            while not stop.is_set():
                letter = cast("tuple[str, str] | None", redis.blpop([f"media:calls:{name}"], timeout=0.05))
                if letter is not None:
                    call = json.loads(letter[1])
                    taken.append(call)
                    redis.rpush(f"media:answer:{call['id']}", json.dumps(answer(call)))


def opens(_call: Mapping[str, Any]) -> Mapping[str, Any]:
    """Answer that the session is open."""
    return {"ok": True, "answer": "v=0 answered", "session": "s" * 22}


def refuses(code: str) -> Answer:
    return lambda _call: {"ok": False, "error": code, "text": f"It is {code}."}


def without_letterhead(call: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a call says, without what only its way needs."""
    return {name: value for name, value in call.items() if name not in {"id", "expires"}}
