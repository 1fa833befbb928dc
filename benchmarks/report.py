"""Figures: median and range of repeated measurements, as a table for people and JSON for programs."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class Line:
    """One row of one benchmark's table; what the rounds found is appended to it."""

    system: str
    how: str
    figures: dict[str, list[float]] = field(default_factory=dict)
    """Column → one value a round."""
    notes: list[str] = field(default_factory=list)

    def add(self, **values: float) -> None:
        for column, value in values.items():
            self.figures.setdefault(column, []).append(value)

    def note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)


@dataclass
class Table:
    name: str
    title: str
    columns: dict[str, str]
    """Column → its heading; the first one is compared."""
    higher_is_better: bool
    lines: list[Line] = field(default_factory=list)

    def line(self, system: str, how: str) -> Line:
        for line in self.lines:
            if (line.system, line.how) == (system, how):
                return line
        self.lines.append(Line(system, how))
        return self.lines[-1]

    def markdown(self) -> str:
        """The table; its last column compares the first one: above 1 the first line, ours, is that much better."""
        heads = ["system", "how", *self.columns.values(), "our advantage"]
        rows = [self._row(line) for line in self.lines]
        ruler = ["---", "---", *["---:"] * (len(heads) - 2)]
        text = [f"**{self.title}**", "", _pipe(heads), _pipe(ruler), *map(_pipe, rows)]
        notes = [f"- {line.system}: {note}" for line in self.lines for note in line.notes]
        return "\n".join([*text, *([""] if notes else []), *notes, ""])

    def _row(self, line: Line) -> list[str]:
        cells = [spread(line.figures.get(column, [])) for column in self.columns]
        return [line.system, line.how, *cells, self._ratio(line)]

    def _ratio(self, line: Line) -> str:
        column = next(iter(self.columns))
        ours, theirs = (each.figures.get(column) for each in (self.lines[0], line))
        if line is self.lines[0] or not ours or not theirs:
            return ""
        ratio = statistics.median(ours) / statistics.median(theirs)
        if not self.higher_is_better:
            ratio = 1 / ratio
        return f"{ratio:.2f}"

    def json(self) -> dict[str, Any]:
        return asdict(self)


def spread(values: Sequence[float]) -> str:
    """`median (least - most)`, three digits worth having."""
    if not values:
        return "-"
    middle = number(statistics.median(values))
    return middle if len(values) == 1 else f"{middle} ({number(min(values))}-{number(max(values))})"


def number(value: float) -> str:
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _pipe(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
