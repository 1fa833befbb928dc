"""What a check says: one line for people, one object for machines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class Level(StrEnum):
    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"

    @property
    def exit_status(self) -> int:
        return list(Level).index(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    check: str
    level: Level
    found: str
    """In words, with the value and of what it is."""
    value: float | str | bool | None
    """The same for a program; None where there is none, as of something that never happened."""
    rule: str
    """What has to hold."""
    remedy: str = ""


class Extent(NamedTuple):
    """How much a check may look at."""

    rows: int | None
    """Rows of a table that is read as it lies; None: all."""
    ids: int
    """Rows that are looked up one by one."""
    is_deep: bool

    def in_words(self, looked_at: int) -> str:
        some = self.rows is not None and looked_at >= self.rows
        return (
            f"{'the first ' if some else ''}{looked_at:,} live task{'' if looked_at == 1 else 's'}"
        )


Findings = Iterator[Finding]


def judge(
    check: str,
    found: str,
    value: float | str | bool | None,
    rule: str,
    remedy: str = "",
    *,
    warning: bool = False,
    problem: bool = False,
) -> Finding:
    """A finding of the worst level that applies; the remedy is only for what is not as it should be."""
    level = Level.PROBLEM if problem else Level.WARNING if warning else Level.OK
    return Finding(
        check=check,
        level=level,
        found=found,
        value=value,
        rule=rule,
        remedy=remedy if level is not Level.OK else "",
    )
