"""The input: the standard library's sources, and what is counted in one of them. Nothing outside it is ever read."""

from __future__ import annotations

import ast
import io
import sysconfig
import tokenize
from collections import Counter
from pathlib import Path
from typing import TypedDict

LIBRARY = Path(sysconfig.get_paths()["stdlib"]).resolve()
SKIPPED = {"site-packages", "dist-packages", "test", "tests", "idle_test", "__pycache__"}
"""Directories of other people's code, and of files that are wrong on purpose."""

WRONG_ON_PURPOSE = (
    "lib2to3/tests/data/py2_test_grammar.py",
    "test/tokenizedata/badsyntax_3131.py",
    "test/tokenizedata/bad_coding.py",
)
"""Input that is not Python 3, where the tests of the library are installed; else see `find_unreadable`."""
NOT_SOURCES = ("lib-dynload/*.so", "*.txt", "idlelib/*.txt")


class NotPython(Exception):
    """The file is not valid Python."""


class OutsideLibrary(Exception):
    """The path leads out of the standard library: a worker is no reader of arbitrary files."""


class Counts(TypedDict):
    lines: int
    tokens: int
    functions: int
    classes: int


def find_sources(limit: int | None = None) -> list[str]:
    """The library's sources as paths relative to it, sorted; the first `limit` of them."""
    found = []
    for path in LIBRARY.rglob("*.py"):
        relative = path.relative_to(LIBRARY)
        # Debian links sitecustomize.py to a file in /etc.
        if SKIPPED.isdisjoint(relative.parts) and path.resolve().is_relative_to(LIBRARY):
            found.append(relative.as_posix())
    return sorted(found)[:limit]


def find_unreadable(wanted: int) -> list[str]:
    """Up to `wanted` files of the library that are not valid Python, as relative paths."""
    candidates = [LIBRARY / name for name in WRONG_ON_PURPOSE]
    for pattern in NOT_SOURCES:
        candidates += sorted(LIBRARY.glob(pattern))[:wanted]
    found: list[str] = []
    for candidate in candidates:
        if len(found) < wanted and candidate.is_file():
            name = candidate.relative_to(LIBRARY).as_posix()
            try:
                count(name)
            except NotPython:
                found.append(name)
            except OutsideLibrary:
                continue
    return found


def count(name: str) -> Counts:
    """Tokenise and parse one file of the library. Raises OutsideLibrary, FileNotFoundError or NotPython."""
    try:
        text = read(name)
        ast.parse(text)
        tokens = Counter(
            (token.type, token.string)
            for token in tokenize.generate_tokens(io.StringIO(text).readline)
        )
    except (SyntaxError, ValueError, tokenize.TokenError) as error:
        raise NotPython(f"{name}: {error}") from None
    return Counts(
        lines=sum(1 for _ in io.StringIO(text)),
        tokens=tokens.total(),
        functions=tokens[tokenize.NAME, "def"],  # keywords: they stand nowhere else
        classes=tokens[tokenize.NAME, "class"],
    )


def read(name: str) -> str:
    """The text of one file, decoded as Python does. `name` may come from anybody who may enqueue."""
    path = (LIBRARY / name).resolve()
    if not path.is_relative_to(LIBRARY):
        raise OutsideLibrary(f"{name} is not in the standard library")
    if not path.is_file():
        raise FileNotFoundError(f"The standard library has no file {name}")
    with tokenize.open(path) as file:
        return file.read()
