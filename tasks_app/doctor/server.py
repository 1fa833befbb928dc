"""Checks of the server: version, durability, vacuum, clock, notifications, migrations, and who holds back vacuum."""

from __future__ import annotations

import time
from typing import Any

from django.db.migrations.loader import MigrationLoader

from tasks_app import wording
from tasks_app.doctor.finding import Extent, Finding, Findings, Level, judge
from tasks_app.queue import statements

APP = "tasks_app"
MIN_VERSION = 150_000
DURABLE = ("fsync", "synchronous_commit", "full_page_writes")
MAX_SKEW = 2.0
"""Seconds."""
FULL, OVERFULL = 0.25, 0.75
"""Parts of the queue of notifications."""
MAX_TRANSACTION = 300.0
"""Seconds."""
MAX_AGE = 1_000_000
"""Transactions, for holders of which nobody knows since when they hold."""
HOLDERS = 5


def settings(extent: Extent) -> Findings:
    ((number, version, *durable, autovacuum, counts, _, _, is_standby),) = _server()
    yield judge(
        "server",
        f"PostgreSQL {version}{', a standby' if is_standby else ''}",
        version,
        "PostgreSQL 15 or newer, not a standby",
        'point TASKQUEUE["DATABASE"] at the primary'
        if is_standby
        else "upgrade the server: pg_upgrade",
        problem=number < MIN_VERSION or is_standby,
    )
    off = [name for name, value in zip(DURABLE, durable, strict=True) if value == "off"]
    yield judge(
        "durability",
        f"off: {', '.join(off)}" if off else f"{', '.join(DURABLE)} are on",
        ", ".join(off),
        "what is committed outlives a crash of the server",
        "; ".join(f"ALTER SYSTEM RESET {name}" for name in off)
        + "; SELECT pg_reload_conf(). If it stays off: the role, the database or the command line sets it",
        warning=bool(off),
    )
    vacuum = [
        name
        for name, value in (("autovacuum", autovacuum), ("track_counts", counts))
        if value == "off"
    ]
    yield judge(
        "autovacuum",
        f"off: {', '.join(vacuum)}" if vacuum else "autovacuum and track_counts are on",
        ", ".join(vacuum),
        "dead rows are counted and removed",
        "; ".join(f"ALTER SYSTEM RESET {name}" for name in vacuum) + "; SELECT pg_reload_conf()",
        warning=bool(vacuum),
    )


def migrations(extent: Extent) -> Findings:
    loader = MigrationLoader(statements.connection())
    known = {name for app, name in loader.graph.nodes if app == APP}
    applied = {name for app, name in loader.applied_migrations if app == APP}
    missing, newer = sorted(known - applied), sorted(applied - known)
    rule = "the database's tables are those of this code"
    if missing:
        found = f"not applied: {', '.join(missing)}"
        remedy = f"manage.py migrate --database {statements.connection().alias}"
        yield judge("migrations", found, len(missing), rule, remedy, problem=True)
    elif newer:
        # A squashed migration's replaced ones stay recorded, and are known to it.
        replaced = {
            name
            for migration in loader.disk_migrations.values()
            for app, name in migration.replaces
            if app == APP
        }
        newer = [name for name in newer if name not in replaced]
    if not missing:
        yield judge(
            "migrations",
            f"unknown to this code: {', '.join(newer)}" if newer else "all are applied",
            len(newer),
            rule,
            "deploy the newer code here too",
            warning=bool(newer),
        )


def clock(extent: Extent) -> Findings:
    before = time.time()
    ((*_, database, _, _),) = _server()
    after = time.time()
    # It was read somewhere between: what the round trip took is in nobody's disfavour.
    skew = max(0.0, abs(database - (before + after) / 2) - (after - before) / 2)
    yield judge(
        "clock",
        f"this machine and the database differ by {wording.duration(skew)}",
        skew,
        f"at most {wording.duration(MAX_SKEW)}",
        "let NTP keep both (chrony, systemd-timesyncd): timedatectl",
        warning=skew > MAX_SKEW,
    )


def notifications(extent: Extent) -> Findings:
    ((*_, usage, _),) = _server()
    yield judge(
        "notifications",
        f"{usage:.0%} of the NOTIFY queue is used",
        usage,
        f"at most {FULL:.0%}; when it is full, no commit that notifies succeeds",
        "a session that listens is in a transaction for long: end it, see 'oldest transaction'",
        warning=usage > FULL,
        problem=usage > OVERFULL,
    )


def oldest_transaction(extent: Extent) -> Findings:
    rows = statements.run("check_horizon", {"limit": 100})
    hidden = rows[0][0]
    holders = [row[1:] for row in rows if row[1] is not None]
    rule = f"nothing keeps dead rows for more than {wording.duration(MAX_TRANSACTION)}"
    note = f"; {wording.plural(hidden, 'session')} hidden from this role" if hidden else ""
    late = [holder for holder in holders if _is_late(*holder)]
    for kind, name, application, user, state, seconds, query, transactions in late[:HOLDERS]:
        who = ", ".join(word for word in (application, user, state, query) if word)
        since = f"{transactions:,} transactions" if seconds is None else wording.duration(seconds)
        yield judge(
            "oldest transaction",
            f"{kind} {name} ({who}) holds for {since}{note}",
            transactions if seconds is None else seconds,
            rule,
            REMEDIES[kind].format(name=name.replace("'", "''")),
            warning=True,
        )
    if not late:
        oldest = max((seconds for *_, seconds, _, _ in holders if seconds is not None), default=0.0)
        yield Finding(
            check="oldest transaction",
            level=Level.OK,
            found=f"the oldest is {wording.duration(oldest)} old{note}",
            value=oldest,
            rule=rule,
            remedy="to see all sessions: GRANT pg_read_all_stats to this role" if hidden else "",
        )


REMEDIES = {
    "session": "SELECT pg_terminate_backend({name})",
    "slot": "SELECT pg_drop_replication_slot('{name}'), unless what reads it comes back",
    "prepared": "ROLLBACK PREPARED '{name}', or COMMIT PREPARED",
}


def _is_late(
    kind: str,
    name: str,
    application: str,
    user: str,
    state: str,
    seconds: float | None,
    query: str,
    transactions: int | None,
) -> bool:
    if seconds is not None:
        return seconds > MAX_TRANSACTION
    return state == "inactive" or (transactions or 0) > MAX_AGE


def _server() -> list[tuple[Any, ...]]:
    return statements.run("check_server")
