"""What keeps the tables small and their statistics exact: old numbers are folded, old days dropped, dead rows removed.

Any number of callers at once is harmless.
"""

from __future__ import annotations

import logging

from tasks_app import conf
from tasks_app.queue import partitions, statements

log = logging.getLogger(__name__)

CHUNK = 10_000
GRAINS = ((1, 60, 2 * 3600.0), (60, 3600, 3 * 86_400.0))
"""(seconds of the fine rows, of the coarse ones, age in seconds at which they are folded). The last hour is read by the
second."""
WORKER_DAYS = 7
STATISTIC_DAYS = 400
DEAD_ROWS = 5_000
"""Dead rows of the live table that are worth a vacuum."""
REST = 8.0
ANALYZE_EVERY = 6 * 3600.0
"""Seconds between two of them, whoever makes them."""


def fold() -> int:
    """Add up statistics by the minute, and later by the hour, in chunks; how many rows were folded."""
    total = 0
    for fine, coarse, age in GRAINS:
        parameters = {"fine": fine, "coarse": coarse, "age": age, "limit": CHUNK}
        while True:
            ((folded,),) = statements.run("fold", parameters)
            total += folded
            if folded < CHUNK:
                break
    return total


def prune() -> None:
    """Drop the days of history that are older than RETENTION_DAYS, and forget what nobody asks for any more."""
    for day in partitions.drop_older_than(conf.settings().RETENTION_DAYS):
        log.info("history of %s dropped", day)
    while len(statements.run("free_keys", {"key": None, "limit": CHUNK})) == CHUNK:
        pass
    days = {"worker_days": WORKER_DAYS, "statistic_days": STATISTIC_DAYS}
    while statements.run("prune", days | {"limit": CHUNK})[0][1] == CHUNK:
        pass


def vacuum() -> bool:
    """Vacuum the live table if it is due; whether it was.

    Autovacuum may be minutes late, or starved: until then the table grows, and every sweep walks over the dead. Each task
    leaves two of them, so at ten thousand a second it is done every ten seconds. Not truncating the table needs no lock
    that a claim waits for; cleaning the indexes up is what it is done for, so that is not skipped.
    """
    due, _ = _due()
    if due:
        _alone("VACUUM (SKIP_LOCKED, TRUNCATE false, INDEX_CLEANUP on) tq_task_live")
    return due


def analyze() -> bool:
    """Make the planner's statistics about history as a whole if they are due, which autovacuum never does; whether so."""
    _, due = _due()
    if due:
        _alone("ANALYZE tq_task_history")
    return due


def _due() -> tuple[bool, bool]:
    parameters = {"dead": DEAD_ROWS, "rest": REST, "analyze_every": ANALYZE_EVERY}
    ((vacuum, analyze),) = statements.run("storage_due", parameters)
    return bool(vacuum), bool(analyze)


def _alone(command: str) -> None:
    """Run what takes its time and cannot be in a transaction."""
    if statements.is_pooled():
        with statements.connection().cursor() as cursor:
            cursor.execute(command)  # the session, and its timeout, is another's too
        return
    with statements.connection().cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        (before,) = cursor.fetchone()
        cursor.execute("SET statement_timeout = 0")
        try:
            cursor.execute(command)
        finally:
            cursor.execute("SELECT set_config('statement_timeout', %s, false)", [before])
