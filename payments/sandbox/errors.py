"""What Stripe says when it refuses: its error shape, its words, its status codes."""

from typing import Any


class Refusal(Exception):
    """Stripe's answer to a request it did not carry out.

    `executed` says whether the endpoint had begun: such an answer is kept under the idempotency key,
    while a refusal of the request's form is not (https://docs.stripe.com/api/idempotent_requests).
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        kind: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        executed: bool = True,
        **more: Any,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.executed = executed
        named = {"code": code, "param": param, **more}
        self.error = {"type": kind, "message": message} | {k: v for k, v in named.items() if v is not None}


def bad_parameter(message: str, *, param: str, code: str | None = None) -> Refusal:
    """Return the refusal of a request whose form is wrong; nothing has been executed."""
    return Refusal(message, code=code, param=param, executed=False)


def no_such(kind: str, identity: str, *, param: str = "id", status: int = 404) -> Refusal:
    """Return Stripe's words for an id that this account does not have."""
    noun = kind.replace("_", " ").replace("checkout.session", "checkout session")
    return Refusal(f"No such {noun}: '{identity}'", status=status, code="resource_missing", param=param)
