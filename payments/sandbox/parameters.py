"""What a request may say: Stripe's form encoding read into typed values, and everything else refused.

Each endpoint lists its parameters as a `Spec`; a name that is not listed is an unknown parameter.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from payments.sandbox.errors import Refusal, bad_parameter

Tree = dict[str, Any]
_KEY = re.compile(r"^([^\[\]]+)((?:\[[^\[\]]*\])*)$")
_MOST_LABELS, _LONGEST_KEY, _LONGEST_LABEL = 50, 40, 500
_EMAIL = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z][A-Za-z0-9-]{1,62}"
)
_PART = re.compile(r"\[([^\[\]]*)\]")


@dataclass(frozen=True)
class Text:
    """A string; `clears`: an empty one unsets the field; `is_url`, `is_email`: it must be such an address."""

    required: bool = False
    clears: bool = False
    longest: int = 5000
    is_url: bool = False
    is_email: bool = False


@dataclass(frozen=True)
class Whole:
    """An integer, in the unit that its name says."""

    required: bool = False
    least: int | None = None
    most: int | None = None


@dataclass(frozen=True)
class Flag:
    """`true` or `false`."""

    required: bool = False


@dataclass(frozen=True)
class Choice:
    """One of a few words."""

    values: tuple[str, ...]
    required: bool = False


@dataclass(frozen=True)
class Labels:
    """A hash of free keys, such as metadata; an empty value removes its key."""

    required: bool = False


@dataclass(frozen=True)
class Group:
    """A hash of named parameters."""

    inner: Mapping[str, "Rule"] = field(default_factory=dict)
    required: bool = False


@dataclass(frozen=True)
class Several:
    """A list, written as `name[0]`, `name[1]` or `name[]`."""

    each: "Rule"
    required: bool = False


@dataclass(frozen=True)
class Moment:
    """A time in Unix seconds, or a range of them as `name[gte]`."""

    required: bool = False


Rule = Text | Whole | Flag | Choice | Labels | Group | Several | Moment
Spec = dict[str, Rule]

_RANGE: Spec = dict.fromkeys(("gt", "gte", "lt", "lte"), Whole())
EXPAND: Spec = {"expand": Several(Text())}
PAGE: Spec = EXPAND | {
    "limit": Whole(least=1, most=100),
    "starting_after": Text(),
    "ending_before": Text(),
    "created": Moment(),
}


def decode(encoded: str) -> Tree:
    """Return Stripe's form encoding as nested dictionaries; lists stay keyed by their index."""
    tree: Tree = {}
    for key, value in parse_qsl(encoded, keep_blank_values=True):
        match = _KEY.match(key)
        if match is None:
            raise bad_parameter(f"Invalid parameter name: {key}", param=key)
        _plant(tree, [match[1], *_PART.findall(match[2])], value)
    return tree


def _plant(tree: Tree, path: list[str], value: str) -> None:
    for part in path[:-1]:
        branch = tree.setdefault(part or str(len(tree)), {})
        if not isinstance(branch, dict):
            raise bad_parameter(f"Invalid parameter: {path[0]} is given twice.", param=path[0])
        tree = branch
    tree[path[-1] or str(len(tree))] = value


def read(spec: Mapping[str, Rule], tree: Tree, *, under: str = "") -> dict[str, Any]:
    """Return the typed values of the parameters that were given; refuse what the spec does not name."""
    for name in tree:
        if name not in spec:
            path = _below(under, name)
            raise bad_parameter(f"Received unknown parameter: {path}", param=path, code="parameter_unknown")
    values = {}
    for name, rule in spec.items():
        path = _below(under, name)
        if name in tree:
            values[name] = _value(rule, tree[name], path)
        elif rule.required:
            raise bad_parameter(f"Missing required param: {path}.", param=path, code="parameter_missing")
    return values


def _below(under: str, name: str) -> str:
    return f"{under}[{name}]" if under else name


def _value(rule: Rule, raw: Any, path: str) -> Any:
    if isinstance(rule, Group):
        return read(rule.inner, _hash(raw, path), under=path)
    if isinstance(rule, Several):
        return _items(rule, raw, path)
    if isinstance(rule, Labels):
        return _labels(raw, path)
    if isinstance(rule, Moment) and isinstance(raw, dict):
        return read(_RANGE, raw, under=path)
    return _single(rule, raw, path)


def _items(rule: Several, raw: Any, path: str) -> list[Any]:
    items = {} if raw == "" else _hash(raw, path)
    return [_value(rule.each, items[index], f"{path}[{index}]") for index in sorted(items, key=_place)]


def _labels(raw: Any, path: str) -> dict[str, str]:
    labels = {} if raw == "" else _hash(raw, path)
    for key, value in labels.items():
        size = len(_text(value, f"{path}[{key}]"))
        if size > _LONGEST_LABEL:
            raise bad_parameter(
                f"Metadata values can have up to {_LONGEST_LABEL} characters, but you passed in a value that "
                f"is {size} characters. Invalid value: {value[:20]}",
                param=path,
            )
    if len(labels) > _MOST_LABELS or any(len(key) > _LONGEST_KEY for key in labels):
        raise bad_parameter(
            f"Metadata can have up to {_MOST_LABELS} keys of up to {_LONGEST_KEY} characters each.",
            param=path,
        )
    return labels


def _single(rule: Moment | Whole | Flag | Choice | Text, raw: Any, path: str) -> int | str | None:
    match rule:
        case Moment() | Whole():
            return _whole(rule, raw, path)
        case Flag():
            return _flag(raw, path)
        case Choice():
            return _choice(rule, raw, path)
        case Text():
            return _words(rule, raw, path)


def _flag(raw: Any, path: str) -> bool:
    if raw not in {"true", "false"}:
        raise bad_parameter(f"Invalid boolean: {raw}", param=path)
    return bool(raw == "true")


def _place(index: str) -> tuple[int, str]:
    return (int(index), "") if index.isdecimal() else (0, index)


def _hash(raw: Any, path: str) -> Tree:
    if not isinstance(raw, dict):
        raise bad_parameter("Invalid object", param=path)
    return raw


def _text(raw: Any, path: str) -> str:
    if not isinstance(raw, str):
        raise bad_parameter("Invalid string: must be a single value", param=path)
    return raw


def _words(rule: Text, raw: Any, path: str) -> str | None:
    words = _text(raw, path)
    if len(words) > rule.longest:
        raise bad_parameter(
            f"Invalid string: must be at most {rule.longest} characters",
            param=path,
            code="parameter_invalid_string_too_long",
        )
    if words and rule.is_url and re.match(r"https?://[^\s/]", words) is None:
        raise bad_parameter("Not a valid URL", param=path, code="url_invalid")
    if words and rule.is_email and _EMAIL.fullmatch(words) is None:
        raise bad_parameter(f"Invalid email address: {words}", param=path, code="email_invalid")
    if words:
        return words
    if rule.clears:
        return None
    raise bad_parameter(
        f"You passed an empty string for '{path}'. We assume empty values are an attempt to unset a "
        f"parameter; however '{path}' cannot be unset. You should remove '{path}' from your request or "
        "supply a non-empty value.",
        param=path,
        code="parameter_invalid_empty",
    )


def _whole(rule: Whole | Moment, raw: Any, path: str) -> int:
    if not isinstance(raw, str) or re.fullmatch(r"-?\d{1,15}", raw) is None:
        raise bad_parameter(f"Invalid integer: {raw}", param=path, code="parameter_invalid_integer")
    number = int(raw)
    if isinstance(rule, Whole) and rule.least is not None and number < rule.least:
        raise bad_parameter(
            f"This value must be greater than or equal to {rule.least}.",
            param=path,
            code="parameter_invalid_integer",
        )
    if isinstance(rule, Whole) and rule.most is not None and number > rule.most:
        raise bad_parameter(
            f"This value must be less than or equal to {rule.most}.",
            param=path,
            code="parameter_invalid_integer",
        )
    return number


def _choice(rule: Choice, raw: Any, path: str) -> str:
    if raw in rule.values:
        return str(raw)
    *most, last = rule.values
    words = f"{', '.join(most)}, or {last}" if most else last
    raise bad_parameter(f"Invalid {path}: must be one of {words}", param=path)


def one_of(values: dict[str, Any], first: str, second: str) -> None:
    """Refuse both of two parameters that exclude each other."""
    if first in values and second in values:
        raise Refusal(f"You may only specify one of these parameters: {first}, {second}.", executed=False)


def merged(labels: dict[str, str], given: dict[str, str] | None) -> dict[str, str]:
    """Return metadata after an update: given keys replace, empty ones remove, the others stay."""
    together = labels | (given or {})
    return {key: value for key, value in together.items() if value != ""}
