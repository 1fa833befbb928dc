"""What may be stored as arguments or as a result: strict JSON within limits, the same at every door."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

MAX_DEPTH = 64
MAX_INTEGER = 10**64
"""PostgreSQL would store far larger numbers, and turn eight bytes of them into 128 KiB."""

_LARGE_FLOAT = re.compile(r'"\\u0000(-?\d+\.0)"')


class InvalidPayload(ValueError):
    """A value that cannot be stored as JSON; the message names the place and the rule."""


def encode(value: object, where: str, max_bytes: int) -> str:
    """JSON text of `value`; tuples become lists, mappings objects. Raises InvalidPayload naming `where`."""
    if value is None:
        return "null"
    try:
        plain = _plain(value, where, 0)
    except RecursionError as error:
        raise InvalidPayload(
            f"{where} is nested too deeply (at most {MAX_DEPTH} levels)."
        ) from error
    text = json.dumps(plain, ensure_ascii=False, separators=(",", ":"))
    if '"\\u0000' in text:
        text = _LARGE_FLOAT.sub(r"\1", text)
    # Four bytes a character at the most: only a text near the limit is measured.
    if len(text) * 4 > max_bytes and (size := len(text.encode())) > max_bytes:
        raise InvalidPayload(f"{where} takes {size:,} bytes as JSON (at most {max_bytes:,}).")
    return text


def decode(text: str | bytes, where: str) -> Any:
    """Strict JSON: no NaN, no Infinity, no key twice in one object. Raises InvalidPayload naming `where`."""
    try:
        return json.loads(text, object_pairs_hook=_unique_keys, parse_constant=_no_constant)
    except InvalidPayload as error:
        raise InvalidPayload(f"{where} is not strict JSON: {error}") from error
    except RecursionError as error:
        raise InvalidPayload(
            f"{where} is nested too deeply (at most {MAX_DEPTH} levels)."
        ) from error
    except ValueError as error:
        raise InvalidPayload(f"{where} is not JSON: {error}") from error


def clean_text(text: str, limit: int) -> str:
    """Text that PostgreSQL can store, at most `limit` characters; a longer one keeps its end."""
    if len(text) > limit:
        text = "… " + text[-(limit - 2) :]
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise InvalidPayload(f"the key {twice!r} stands twice in one object")
    return found


def _no_constant(name: str) -> Any:
    raise InvalidPayload(f"{name} is not a JSON number")


def _plain(value: object, where: str, depth: int) -> Any:  # noqa: C901 - one case per JSON type
    if depth > MAX_DEPTH:
        raise InvalidPayload(f"{where} is nested too deeply (at most {MAX_DEPTH} levels).")
    match value:
        case None | True | False:
            return value
        case str():
            return _plain_text(value, where)
        case int():
            if not -MAX_INTEGER < value < MAX_INTEGER:
                raise InvalidPayload(f"{where} is an integer of more than 64 digits.")
            return int(value)
        case float():
            if not math.isfinite(value):
                raise InvalidPayload(f"{where} is {value}, which JSON has no number for.")
            # Written as 1e+16, PostgreSQL would give it back as an integer, and a large one as another number. A NUL
            # marks it, which no text of the caller's has.
            return float(value) if abs(value) < 1e16 else f"\x00{value:.1f}"
        case bytes():
            try:
                return _plain_text(value.decode(), where)
            except UnicodeDecodeError as error:
                raise InvalidPayload(f"{where} is bytes that are not UTF-8.") from error
        case Mapping():
            plain: dict[str, Any] = {}
            for key, item in value.items():
                if not isinstance(key, str):
                    raise InvalidPayload(f"{where} has the key {key!r}: keys must be strings.")
                plain[_plain_text(key, f"a key of {where}")] = _plain(
                    item, f"{where}.{key}", depth + 1
                )
            return plain
        case list() | tuple():
            return [_plain(item, f"{where}[{i}]", depth + 1) for i, item in enumerate(value)]
        case _:
            raise InvalidPayload(
                f"{where} is of type {type(value).__qualname__}, which is not JSON."
            )


def _plain_text(text: str, where: str) -> str:
    if "\x00" in text:
        raise InvalidPayload(f"{where} holds a NUL character, which PostgreSQL cannot store.")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise InvalidPayload(
                f"{where} holds a lone surrogate, which is not Unicode text."
            ) from error
    return str(text)
