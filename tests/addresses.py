"""Every address of the site, by walking the URL configuration."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.urls import URLPattern, URLResolver, get_resolver

EXAMPLES = {"int": "1", "slug": "no-such-thing", "str": "none", "path": "1", "uuid": str(UUID(int=1))}
ROUTE_PART = re.compile(r"<(?:(\w+):)?(\w+)>")
ODD = {  # the patterns that are regular expressions
    "account_reset_password_from_key": "account/password/reset/key/1-set-password/",
    "admin:app_list": "admin/accounts/",
    "admin:(?P<url>.*)$": "admin/no-such-page",
}


@dataclass(frozen=True)
class Address:
    name: str  # with its namespace; a pattern without a name stands for itself
    route: str
    view: Any

    def path(self, **known: object) -> str:
        """Return a path of this route: what is not known gets a value that nothing has."""
        if self.name in ODD:
            return f"/{ODD[self.name]}"
        filled = ROUTE_PART.sub(lambda part: str(known.get(part[2], EXAMPLES[part[1] or "str"])), self.route)
        return f"/{filled}"


def _walk(resolver: URLResolver, route: str, namespace: str) -> Iterator[Address]:
    for entry in resolver.url_patterns:
        whole = f"{route}{entry.pattern}"
        if isinstance(entry, URLResolver):
            inner = f"{namespace}{entry.namespace}:" if entry.namespace else namespace
            yield from _walk(entry, whole, inner)
        elif isinstance(entry, URLPattern):
            yield Address(f"{namespace}{entry.name or entry.pattern}", whole, entry.callback)


def every() -> list[Address]:
    return list(_walk(get_resolver("stagedoor.urls"), "", ""))
