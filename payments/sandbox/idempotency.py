"""Idempotency keys: the first answer under a key is the answer (https://docs.stripe.com/api/idempotent_requests)."""

from payments.sandbox.errors import Refusal
from payments.sandbox.shapes import Body
from payments.sandbox.state import State

KEPT_SECONDS = 24 * 3600
LONGEST_KEY = 255


class Keys:
    """The keys that were used, kept with the rest of the state, and those whose request is still running."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._running: set[str] = set()

    def answered(self, account: str | None, key: str, fingerprint: str) -> Body | None:
        """Return what was answered under this key, if anything; refuse it for another request."""
        if len(key) > LONGEST_KEY:
            raise _refusal(f"Idempotency keys are at most {LONGEST_KEY} characters long.", status=400)
        name = _name(account, key)
        if name in self._running:
            raise _refusal(
                "There is currently another in-progress request using this idempotent key (that probably "
                "means you submitted twice, and the other request is still going through): "
                f"{key}. Please try again later.",
                status=409,
                code="idempotency_key_in_use",
            )
        self._prune()
        row = self._state.find(name)
        if row is None:
            return None
        if row.body["fingerprint"] != fingerprint:
            raise _refusal(
                "Keys for idempotent requests can only be used with the same parameters they were first used "
                f"with. Try using a key other than '{key}' if you meant to execute a different request.",
                status=400,
            )
        return row.body

    def _prune(self) -> None:
        with self._state.transaction():
            for row in self._state.all("_key"):
                if self._state.now() - row.body["created"] >= KEPT_SECONDS:
                    self._state.forget(row)

    def begin(self, account: str | None, key: str) -> None:
        """Note that a request with this key is running."""
        self._running.add(_name(account, key))

    def end(self, account: str | None, key: str) -> None:
        """Note that it runs no longer."""
        self._running.discard(_name(account, key))

    def keep(self, account: str | None, key: str, fingerprint: str, answer: Body) -> None:
        """Remember an answer (`status`, `body`, `request_id`) under its key."""
        name = _name(account, key)
        saved = {"id": name, "key": key, "fingerprint": fingerprint, "created": self._state.now()}
        self._state.add("_key", saved | answer, account=account)


def _name(account: str | None, key: str) -> str:
    return f"_key:{account or ''}:{key}"


def _refusal(message: str, *, status: int, code: str | None = None) -> Refusal:
    return Refusal(message, status=status, kind="idempotency_error", code=code, executed=False)
