"""The file that outlives the process: one JSON line per change, the whole state again at each start."""

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

Entry = dict[str, Any]


class Journal:
    """An append-only file of entries. One `write` is one line, so a change is kept whole or not at all."""

    def __init__(self, path: Path | None) -> None:
        """Keep the entries in this file; None keeps nothing."""
        self.path = path
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)

    def read(self) -> Iterator[Entry]:
        """Yield the entries in the order they were written. A last line cut short by a crash is left out."""
        if self.path is None or not self.path.exists():
            return
        with self.path.open(encoding="utf-8") as lines:
            for line in lines:
                if line.endswith("\n"):
                    yield from json.loads(line)

    def write(self, entries: list[Entry]) -> None:
        """Add entries that belong together."""
        if self.path is None or not entries:
            return
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entries, separators=(",", ":")) + "\n")

    def rewrite(self, entries: Iterable[Entry]) -> None:
        """Replace the file by these entries, so that it does not grow for ever."""
        if self.path is None:
            return
        fresh = self.path.with_suffix(".new")
        with fresh.open("w", encoding="utf-8") as file:
            file.writelines(json.dumps([entry], separators=(",", ":")) + "\n" for entry in entries)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.path)
