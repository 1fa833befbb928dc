"""Checks of storage: the live table, indexes, and the days of history."""

from __future__ import annotations

from datetime import date, timedelta
from typing import NamedTuple

from django.template.defaultfilters import filesizeformat

from tasks_app import conf, wording
from tasks_app.doctor.finding import Extent, Findings, judge
from tasks_app.queue import statements
from tasks_app.queue.partitions import DAYS_AHEAD
from tasks_app.queue.storage import DEAD_ROWS

MAX_UNVACUUMED = 600.0
"""Seconds; workers look every ten."""
NEVER_VACUUMED = 20_000
"""Dead rows of a table that nobody has vacuumed yet, from which on somebody should have: more than a minute makes."""
INDEX_BYTES = 64 * 1024**2
INDEX_TIMES = 10
ENTRY_BYTES = 64
"""What an entry of an index takes, generously."""
MIN_AHEAD = 2
MAX_UNANALYZED = 24 * 3600.0
ANALYZE_ROWS = 10_000
"""Fewer need no statistics."""


class Day(NamedTuple):
    name: str
    day: date | None
    is_open: bool
    is_pending: bool
    is_default: bool


def live_table(extent: Extent) -> Findings:
    ((size, indexes, live, dead, age, may, _, _),) = statements.run("check_storage")
    last = "never vacuumed" if age is None else f"vacuumed {wording.duration(age)} ago"
    yield judge(
        "live table",
        f"{_bytes(size)} and {_bytes(indexes)} of indexes, about {wording.plural(live, 'row')} and {dead:,} dead, {last}",
        dead,
        f"{DEAD_ROWS:,} dead rows are vacuumed within {wording.duration(MAX_UNVACUUMED)}",
        "VACUUM tq_task_live; if the dead stay: see 'oldest transaction'. Workers vacuum it: see 'workers'",
        warning=dead >= NEVER_VACUUMED
        if age is None
        else dead >= DEAD_ROWS and age > MAX_UNVACUUMED,
    )
    yield judge(
        "live table",
        f"autovacuum is {'on' if may else 'off'} for it",
        may,
        "autovacuum works where no worker is alive",
        "ALTER TABLE tq_task_live RESET (autovacuum_enabled)",
        warning=not may,
    )


def indexes(extent: Extent) -> Findings:
    parameters = {"bytes": INDEX_BYTES, "times": INDEX_TIMES, "width": ENTRY_BYTES}
    found = statements.run("check_indexes", parameters)
    for name, is_valid, twin, size, entries in found:
        if not is_valid:
            said, remedy = f"{name} is invalid", f"REINDEX INDEX CONCURRENTLY {name}, or drop it"
        elif twin:
            said, remedy = f"{name} does what {twin} does", f"DROP INDEX CONCURRENTLY {name}"
        else:
            said = f"{name} has {_bytes(size)} for {entries:,} entries"
            remedy = f"REINDEX INDEX CONCURRENTLY {name}"
        yield judge("indexes", said, size, INDEX_RULE, remedy, warning=True)
    if not found:
        yield judge("indexes", "all are valid, needed and small enough", 0, INDEX_RULE)


INDEX_RULE = (
    f"valid, none twice, those of the live table up to {INDEX_BYTES // 1024**2} MB"
    f" or {INDEX_TIMES} times what they need"
)


def days(extent: Extent) -> Findings:
    found = statements.run("check_days", {"limit": 10_000})
    today: date = found[0][0]
    partitions = [Day(*row[1:]) for row in found if row[1] is not None]
    yield from _ahead(partitions, today)
    yield from _old(partitions, today)
    rule = "every partition is a day"
    for each in partitions:
        if each.is_default:
            said = f"{each.name} is a default partition"
            remedy = "move its rows to the days they belong to, and drop it: no day can be detached while it is there"
            yield judge("history", said, each.name, rule, remedy, problem=True)
        elif each.is_pending:
            remedy = f"ALTER TABLE tq_task_history DETACH PARTITION {each.name} FINALIZE; workers do it within the hour"
            said = f"the detach of {each.name} was not brought to its end"
            yield judge("history", said, each.name, rule, remedy, warning=True)


def _ahead(partitions: list[Day], today: date) -> Findings:
    opened = {each.day for each in partitions if each.is_open}
    tables = {each.day: each for each in partitions}
    due = [today + timedelta(n) for n in range(DAYS_AHEAD + 1)]
    missing = [day for day in due if day not in opened]
    ahead = next((n for n, day in enumerate(due) if day not in opened), len(due)) - 1
    if today not in opened:
        said = f"the day of today ({today}, UTC) is missing"
    else:
        said = f"today and the next {wording.plural(ahead, 'day')} are there"
    # A table of that name that is no partition keeps workers from making the day.
    loose = [tables[day].name for day in missing if day in tables]
    remedy = f"attach {', '.join(loose)}" if loose else "start a worker: each makes them"
    yield judge(
        "history",
        said,
        ahead,
        f"today and {DAYS_AHEAD} days ahead; a day that begins is made up for within the hour",
        remedy,
        warning=ahead < DAYS_AHEAD - 1,
        problem=ahead < MIN_AHEAD,
    )


def _old(partitions: list[Day], today: date) -> Findings:
    kept = conf.settings().RETENTION_DAYS
    # They are dropped every hour: a day more is no finding.
    first = today - timedelta(kept + 1)
    old = [each for each in partitions if each.day and each.day < first]
    oldest = min((each.day for each in partitions if each.day), default=today)
    yield judge(
        "history",
        f"{wording.plural(len(old), 'day')} past the retention, the oldest of {oldest}"
        if old
        else f"the oldest day is {oldest}",
        (today - oldest).days,
        f"days are dropped after RETENTION_DAYS, {kept}",
        "start a worker: each drops them every hour; a transaction that reads history holds that up",
        warning=bool(old),
    )


def analyzed(extent: Extent) -> Findings:
    ((*_, rows, age),) = statements.run("check_storage")
    last = "never as a whole" if age is None else f"{wording.duration(age)} ago"
    yield judge(
        "analyze",
        f"history of about {wording.plural(rows, 'row')} was analyzed {last}",
        age,
        f"once in {wording.duration(MAX_UNANALYZED)}, from {ANALYZE_ROWS:,} rows on",
        "ANALYZE tq_task_history: autovacuum never does, workers do",
        warning=rows >= ANALYZE_ROWS and (age is None or age > MAX_UNANALYZED),
    )


def _bytes(number: int) -> str:
    return filesizeformat(number).replace("\xa0", " ")
