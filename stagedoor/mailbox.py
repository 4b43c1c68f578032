"""What development's letters say: those that Django's file backend wrote under `var/mail`."""

import re
import time
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

RULE = b"-" * 79 + b"\n"  # what the backend writes between two letters
PATIENCE = 20.0


class NoLetter(Exception):
    """The letter did not come in time."""


class Mailbox:
    """The letters in one folder, oldest first."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def letters_to(self, address: str) -> list[EmailMessage]:
        """Return every letter to this address, as far as they have come."""
        files = sorted(self.folder.glob("*.log"), key=lambda file: file.stat().st_mtime_ns)
        raw = [part for file in files for part in file.read_bytes().split(RULE) if part.strip()]
        letters = [message_from_bytes(part, policy=policy.default) for part in raw]
        return [letter for letter in letters if isinstance(letter, EmailMessage) and letter["To"] == address]

    def wait_for(self, address: str, pattern: str) -> re.Match[str]:
        """Return the first match of `pattern` in the newest letter that has one. Raise NoLetter."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            for letter in reversed(self.letters_to(address)):
                if found := re.search(pattern, f"{letter['Subject']}\n{text_of(letter)}"):
                    return found
            time.sleep(0.2)
        raise NoLetter(f"No letter to {address} that says {pattern}.")


def text_of(letter: EmailMessage) -> str:
    """Return the plain text of a letter."""
    body = letter.get_body(preferencelist=("plain",))
    return str(body.get_content()) if body else ""
