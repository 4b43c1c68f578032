"""Everything the stand-in knows, in memory and in the journal.

A row is one Stripe object (its public `body`) with what Stripe keeps to itself (`hidden`). Rows change
only through `add`, `update`, `remember` and `forget`, inside `transaction()`: all of its changes are kept, or
none.
"""

import copy
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from payments.sandbox.errors import no_such
from payments.sandbox.journal import Entry, Journal
from payments.sandbox.shapes import Body


@dataclass
class Row:
    """One thing that the stand-in knows; `account` is None for what belongs to the platform itself."""

    id: str
    kind: str
    account: str | None
    serial: int
    body: Body
    hidden: Body = field(default_factory=dict)


class State:
    def __init__(self, journal: Journal) -> None:
        """Read what the journal remembers, then write it anew without its history."""
        self.journal = journal
        self._rows: dict[str, Row] = {}
        self._by_kind: dict[str, dict[str, Row]] = {}
        self._serial = 0
        self._open = False
        self._touched: dict[str, Row | None] = {}
        for entry in journal.read():
            self._apply(entry)
        journal.rewrite(asdict(row) for row in self._rows.values())

    def _apply(self, entry: Entry) -> None:
        if "gone" in entry:
            self._drop(entry["gone"])
        else:
            row = Row(**entry)
            self._put(row)
            self._serial = max(self._serial, row.serial)

    def _put(self, row: Row) -> None:
        self._rows[row.id] = row
        self._by_kind.setdefault(row.kind, {})[row.id] = row

    def _drop(self, identity: str) -> None:
        row = self._rows.pop(identity, None)
        if row is not None:
            del self._by_kind[row.kind][identity]

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Keep all changes made inside, or none if the block raises. One inside another joins it."""
        if self._open:
            yield
            return
        self._open = True
        try:
            yield
        except BaseException:
            for identity, before in self._touched.items():
                if before is None:
                    self._drop(identity)
                else:
                    self._put(before)
            self._touched = {}
            raise
        finally:
            self._open = False
        touched, self._touched = self._touched, {}
        self.journal.write([self._entry(identity) for identity in touched])

    def _entry(self, identity: str) -> Entry:
        row = self._rows.get(identity)
        return {"gone": identity} if row is None else asdict(row)

    def _touch(self, identity: str) -> None:
        if identity not in self._touched:
            self._touched[identity] = copy.deepcopy(self._rows.get(identity))

    def add(self, kind: str, body: Body, *, account: str | None = None, **hidden: Any) -> Row:
        """Know one more object."""
        self._touch(body["id"])
        self._serial += 1
        row = Row(body["id"], kind, account, self._serial, body, hidden)
        self._put(row)
        return row

    def update(self, row: Row, **fields: Any) -> Body:
        """Set public fields, and return what those that changed were before."""
        before = {name: row.body[name] for name, value in fields.items() if row.body[name] != value}
        self._touch(row.id)
        row.body.update(fields)
        return before

    def remember(self, row: Row, **hidden: Any) -> None:
        """Set what only Stripe knows about the row."""
        self._touch(row.id)
        row.hidden.update(hidden)

    def forget(self, row: Row) -> None:
        """Drop a row that has no further use."""
        self._touch(row.id)
        self._drop(row.id)

    def find(self, identity: str) -> Row | None:
        """Return the row with this id, whoever owns it."""
        return self._rows.get(identity)

    def get(self, kind: str, identity: str, *, account: str | None = None, param: str | None = None) -> Row:
        """Return the account's object, or raise Stripe's refusal; `param` names what held the id."""
        row = self._rows.get(identity)
        if row is None or row.kind != kind or row.account != account:
            raise no_such(kind, identity, param=param or "id", status=400 if param else 404)
        return row

    def of(self, kind: str, *, account: str | None = None) -> list[Row]:
        """Return the account's objects of a kind, newest first."""
        return [row for row in self.all(kind) if row.account == account]

    def all(self, kind: str) -> list[Row]:
        """Return everybody's objects of a kind, newest first."""
        rows = self._by_kind.get(kind, {}).values()
        return sorted(rows, key=lambda row: row.serial, reverse=True)

    def kinds(self) -> dict[str, int]:
        """Return how many rows there are of each kind."""
        return {kind: len(rows) for kind, rows in self._by_kind.items() if rows}

    def clear(self) -> None:
        """Know nothing any more, the clock included."""
        self._rows.clear()
        self._by_kind.clear()
        self.journal.rewrite([])

    def now(self) -> int:
        """Return the stand-in's time in Unix seconds: this machine's, plus what the clock was advanced by."""
        return int(time.time()) + self._ahead

    @property
    def _ahead(self) -> int:
        clock = self._rows.get("_clock")
        return int(clock.body["ahead_seconds"]) if clock else 0

    def advance(self, seconds: int, *, alone: bool = False) -> None:
        """Put the clock forward; `alone`: those who ask do not know, their clocks stay behind."""
        behind = self.behind + (seconds if alone else 0)
        self.add("_clock", {"id": "_clock", "ahead_seconds": self._ahead + seconds, "behind_seconds": behind})

    @property
    def behind(self) -> int:
        """How many seconds the clocks of those who ask are behind ours."""
        clock = self._rows.get("_clock")
        return int(clock.body.get("behind_seconds", 0)) if clock else 0
