"""E-mail addresses in the one form that letters reach and that can be compared.

What is kept is ASCII: the domain as the name servers know it (IDNA 2008), the part before the @ of plain
letters, figures and signs (RFC 5321, dot-atom), all in lower case. Nothing else arrives everywhere: quoted
names, addresses of machines and hosts without a dot are refused, and so are letters beyond ASCII before
the @, some of which change into others when their case is folded.
"""

import re
import unicodedata

import idna
from django.utils.translation import gettext as _

LONGEST = 254
LONGEST_NAME = 64  # octets before the @; RFC 5321, 4.5.3.1.1
_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_DOMAIN = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+(?:xn--[a-z0-9-]{1,59}|[a-z]{2,63})")
# The same for the database, where a row comes by no form. `!` to `~` without the @.
STORED = r"^[!-?A-~]{1,64}@([A-Za-z0-9-]{1,63}\.)+[A-Za-z0-9-]{2,63}$"


class NotAnAddress(ValueError):
    """No letter would reach this address; the message says what is wrong with it."""


def normal(text: str) -> str:
    """Return the address as it is kept and compared. Raise NotAnAddress."""
    typed = text.strip()
    if len(typed) > LONGEST:
        raise NotAnAddress(_("This address is too long."))
    name, _at, domain = typed.rpartition("@")
    if not _NAME.fullmatch(name):
        if not name.isascii():
            raise NotAnAddress(_("Before the @ only plain letters, a to z, reach every mailbox."))
        raise NotAnAddress(_("Write an e-mail address, like ben@example.com."))
    if len(name) > LONGEST_NAME:
        raise NotAnAddress(_("Before the @ an address has 64 characters at most."))
    address = f"{name.lower()}@{_domain(domain)}"
    if len(address) > LONGEST:
        raise NotAnAddress(_("This address is too long."))
    return address


def _domain(text: str) -> str:
    try:
        composed = unicodedata.normalize("NFC", text)
        domain = idna.encode(composed, uts46=True, transitional=False).decode("ascii").lower()
    except (idna.IDNAError, UnicodeError):
        domain = ""
    if not _DOMAIN.fullmatch(domain):
        raise NotAnAddress(_("After the @ write the name of a mail server, like example.com."))
    return domain
