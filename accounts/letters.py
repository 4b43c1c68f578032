"""Letters about one's account: the words stand in one file each, and one frame lays them all out."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.template.loader import render_to_string
from django.urls import reverse

from accounts import links, mail
from accounts.models import Letter

LINK = re.compile(r"^(?P<label>[^:\n]+): (?P<url>https?://\S+)$")


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph of a letter: plain words, a link with its label, or a code to type."""

    text: str
    url: str = ""
    is_code: bool = False


def write(template: str, *, key: str, to: str, context: Mapping[str, Any], at: datetime) -> Letter:
    """Put a letter into the outbox, once for this cause.

    The words stand in `<template>.txt`: the subject, then paragraphs. "Label: https://…" becomes a button,
    and the code is set large.
    """
    always = {
        "email": to,
        "base_url": links.absolute("/"),
        "password_reset_url": links.absolute(reverse("account_reset_password")),
    }
    words = render_to_string(f"{template}.txt", {**always, **context}).strip()
    subject, *paragraphs = re.split(r"\n\s*\n", words)
    frame = {
        "subject": subject,
        "paragraphs": [_paragraph(text.strip(), code=context.get("code")) for text in paragraphs],
    }
    return mail.write(key=key, to=to, template="account/email/letter", context=frame, at=at)


def _paragraph(text: str, *, code: str | None) -> Paragraph:
    link = LINK.match(text)
    if link:
        return Paragraph(link["label"], url=link["url"])
    return Paragraph(text, is_code=bool(code) and text == code)
