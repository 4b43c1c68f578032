"""Text as it is seen: two names that look the same are the same name, and a name that shows nothing is none.

`skeleton` is in the spirit of UTS 39 (https://www.unicode.org/reports/tr39/): compatibility forms, case,
what is never drawn and the look-alikes of Latin, Cyrillic and Greek fall together. Its table is small and our
own: the letters of these scripts that Unicode's confusables name as look-alikes, in the case-folded form, so
that names stay equal in any case. What no table can hold is refused where it matters: `mixed_words`.
"""

import hashlib
import re
import unicodedata
from collections.abc import Iterator

# Default_Ignorable_Code_Point of Unicode 16, which Python does not publish, without the fillers of Hangul.
_NEVER_DRAWN = re.compile(
    "[\u00ad\u034f\u061c\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\ufe00-\ufe0f\ufeff\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d159\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff]"
)
_BLANKS = "\u115f\u1160\u2800\u3164\uffa0"  # letters and signs by their category, drawn as a gap
# What turns the text after it around, on this page and on every other that shows it.
_TURNING = re.compile("[\u202a-\u202e\u2066-\u2069\u206a-\u206f]")
_LONGEST = 255  # a skeleton is an indexed column; an absurdly long one is kept as its hash
_DASHES = "-\u058a\u1806\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u2e3a\u2e3b\u30fc"
_QUOTES = "'`\u00b4\u02b9\u02bb\u02bc\u02bd\u02c8\u2018\u2019\u201a\u201b\u2032\u2035\ua78c"
_LOOK_ALIKES = {
    # Latin
    "ı": "i", "ɩ": "i", "ɪ": "i", "ȷ": "j", "ɑ": "a", "ɡ": "g", "ʏ": "y", "ʀ": "r", "ʙ": "b", "ʜ": "h",
    "ʟ": "l", "ɢ": "g", "ɴ": "n", "ᴀ": "a", "ᴄ": "c", "ᴅ": "d", "ᴇ": "e", "ᴊ": "j", "ᴋ": "k", "ᴍ": "m",
    "ᴏ": "o", "ᴘ": "p", "ᴛ": "t", "ᴜ": "u", "ᴠ": "v", "ᴡ": "w", "ᴢ": "z", "ꜱ": "s", "ꜰ": "f", "ł": "l",
    "ǀ": "l", "ƚ": "l", "đ": "d", "ɵ": "o", "ø": "o", "0": "o", "1": "l", "|": "l", "ꞁ": "l",
    # Cyrillic, by the look of either case
    "а": "a", "в": "b", "с": "c", "ԁ": "d", "е": "e", "ғ": "f", "һ": "h", "н": "h", "і": "i", "ї": "i",
    "ј": "j", "к": "k", "ӏ": "l", "м": "m", "п": "n", "о": "o", "р": "p", "ԛ": "q", "г": "r", "ѕ": "s",
    "т": "t", "ѵ": "v", "ԝ": "w", "х": "x", "у": "y", "ү": "y", "ґ": "r", "з": "3", "ӡ": "3", "ь": "b",
    "ѳ": "o", "ө": "o",
    # Greek, the same
    "α": "a", "β": "b", "ϲ": "c", "ε": "e", "η": "n", "ι": "i", "ϳ": "j", "κ": "k", "μ": "m", "ν": "v",
    "ο": "o", "ρ": "p", "σ": "o", "τ": "t", "υ": "u", "χ": "x", "γ": "y", "ζ": "z", "ω": "w", "ϝ": "f",
    # Armenian
    "ո": "n", "ս": "u", "օ": "o", "հ": "h", "ց": "g", "զ": "q", "յ": "j", "լ": "l",
}  # fmt: skip
_TABLE = str.maketrans(_LOOK_ALIKES | dict.fromkeys(_DASHES, "-") | dict.fromkeys(_QUOTES, "'"))
# Scripts whose letters pass for one another. Han beside kana or Latin beside Hangul is ordinary writing.
_ALIKE = frozenset({"LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "COPTIC", "CHEROKEE", "LISU", "DESERET"})


def skeleton(text: str) -> str:
    """Return what is seen of a name, for comparing only: equal for names that look the same, in any case."""
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    plain = _NEVER_DRAWN.sub("", plain)
    drawn = "".join(" " if _is_gap(character) else character for character in plain.translate(_TABLE))
    folded = " ".join(drawn.split())
    return folded if len(folded) <= _LONGEST else hashlib.sha256(folded.encode()).hexdigest()


def is_seen(text: str) -> bool:
    """Tell whether anything of this text is drawn: a letter, a figure, a sign."""
    drawn = _NEVER_DRAWN.sub("", text)
    return any(
        unicodedata.category(character)[0] in "LNPS" and character not in _BLANKS for character in drawn
    )


def is_hidden(text: str, *, lines: bool = False) -> bool:
    """Tell whether this text holds what nobody types: control characters, or marks that turn text around."""
    allowed = "\n\r\t" if lines else ""
    return bool(_TURNING.search(text)) or any(
        unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"} and character not in allowed
        for character in text
    )


def mixed_words(text: str) -> list[str]:
    """Return the words that mix scripts whose letters look alike, like "Night" with one foreign letter."""
    return [word for word in re.split(r"[\s\-_./]+", text) if len(set(_scripts(word)) & _ALIKE) > 1]


def _scripts(word: str) -> Iterator[str]:
    for character in unicodedata.normalize("NFKC", word):
        if unicodedata.category(character)[0] == "L":
            yield unicodedata.name(character, "").partition(" ")[0]


def _is_gap(character: str) -> bool:
    return character in _BLANKS or unicodedata.category(character)[0] in "ZC"
