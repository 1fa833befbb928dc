"""Checks of the engine's invariants, as far as rows show them."""

from __future__ import annotations

from tasks_app import conf, registry, wording
from tasks_app.doctor.finding import Extent, Findings, judge
from tasks_app.engine.unique import Unique
from tasks_app.queue import statements
from tasks_app.queue.upkeep import DEADLINE_GRACE

LATE = 60.0
"""Seconds after which what upkeep does every second has not been done."""
CONSTRAINTS = [
    *("tq_running_has_worker", "tq_ready_has_position", "tq_gated_has_reason"),
    "tq_attempt_in_bounds",
]
RULES = {
    "worker": "a task has a worker if and only if it runs (I1)",
    "attempts": "no task has more attempts than max_attempts (I12)",
    "position": "a ready task has a place in its queue",
    "reason": "a task has a reason to wait if and only if it is gated",
    "rank": "a task is never claimed later than its priority says",
}
SOMEBODY = (
    "somebody wrote to tq_task_live past the queue: docs/operations.md, 'Rows that break a rule'"
)
REPAIR = "docs/operations.md, 'A task that runs under no worker'"
RUNNING = {
    "unknown": ("under a worker of which there is no row", REPAIR),
    "ended": ("under a worker that has ended", "start a worker: each takes them back"),
    "expired": ("under a worker whose lease has expired", "start a worker: each takes them back"),
    "deadline": ("past their deadline", "start a worker: each takes them back"),
}


def rows(extent: Extent) -> Findings:
    missing = [name for (name,) in statements.run("check_constraints", {"names": CONSTRAINTS})]
    found = f"not there, or not validated: {', '.join(missing)}" if missing else "all are there"
    yield judge(
        "constraints",
        found,
        len(missing),
        "the live table refuses rows that break a rule",
        "put them back as tasks_app/migrations/sql says, and ALTER TABLE … VALIDATE CONSTRAINT",
        problem=bool(missing),
    )
    broken = statements.run("check_rows", {"limit": extent.rows})
    for rule, count, example, _ in broken:
        if count:
            said = f"{wording.plural(count, 'task')}, such as {example}"
            yield judge("live tasks", said, count, RULES[rule], SOMEBODY, problem=True)
    if not any(count for _, count, _, _ in broken):
        looked_at = broken[0][3] if broken else 0
        yield judge(
            "live tasks",
            f"{extent.in_words(looked_at)} as they should be",
            0,
            "; ".join(RULES.values()),
        )


def identity(extent: Extent) -> Findings:
    found = statements.run("check_identity", {"limit": extent.ids})
    words = {"live": "live although ended", "twice": "ended twice"}
    rule = "a task is live or has ended, and that once (I3, I4)"
    for kind, count, example in found:
        if count:
            said = f"{wording.plural(count, 'task')} {words[kind]}, such as {example}"
            remedy = "docs/operations.md, 'A task that ended twice'"
            yield judge("identity", said, count, rule, remedy, problem=True)
    if not any(count for _, count, _ in found):
        yield judge("identity", "no id is there twice", 0, rule)


def running(extent: Extent) -> Findings:
    found = statements.run(
        "check_running", {"limit": extent.rows, "late": LATE, "grace": DEADLINE_GRACE}
    )
    rule = f"a task runs under a live worker, or is taken back within {LATE:.0f} s (I6)"
    for why, count, example in found:
        words, remedy = RUNNING[why]
        said = f"{wording.plural(count, 'task')} {words}, such as {example}"
        yield judge("running tasks", said, count, rule, remedy, problem=True)
    if not found:
        yield judge("running tasks", "each has its worker", 0, rule)


def keys(extent: Extent) -> Findings:
    parameters = {"limit": extent.rows, "names": _held_by_the_task()}
    found = {kind: row for kind, *row in statements.run("check_keys", parameters)}
    rule = "a unique key is held by one task, until it starts or ends (I9)"
    stuck, key = found["stuck"]
    bare, task = found["bare"]
    if stuck:
        yield judge(
            "unique keys",
            f"{wording.plural(stuck, 'key')} held by no live task, such as {key}: all enqueues under it are duplicates",
            stuck,
            rule,
            f"DELETE FROM tq_unique WHERE key = '{_quoted(key)}'",  # noqa: S608 - shown, not run
            problem=True,
        )
    if bare:
        yield judge(
            "unique keys",
            f"{wording.plural(bare, 'task')} without the key they were enqueued under, such as {task}",
            bare,
            rule,
            "a second one may run beside it: cancel what is not wanted",
            warning=True,
        )
    if not stuck and not bare:
        yield judge("unique keys", "each has its task", 0, rule)


def _quoted(key: str | None) -> str:
    return (key or "").replace("'", "''")


def _held_by_the_task() -> list[str]:
    """Names of the tasks whose unique key does not end with a period."""
    uniques = ((name, registry.find(name).unique) for name in registry.names())
    return [
        name for name, unique in uniques if isinstance(unique, Unique) and unique.period is None
    ]


def statistics(extent: Extent) -> Findings:
    rule = "statistics are those of a recount of history (I13)"
    if not extent.is_deep:
        yield judge("statistics", "not recounted: that takes --deep", None, rule)
        return
    days = conf.settings().RETENTION_DAYS
    found = statements.run("check_statistics", {"days": days})
    oldest = found[0][0]
    if oldest >= days:
        said = f"skipped: they are {oldest:.0f} days old, and days of history have been dropped"
        yield judge("statistics", said, None, rule)
        return
    differences = [row[1:] for row in found if row[1] is not None]
    for queue, name, state, counted, kept in differences:
        yield judge(
            "statistics",
            f"{name} of queue {queue}: {counted:,} {state} counted, {kept:,} kept",
            counted - kept,
            rule,
            "rows were written or removed past the queue's verbs: purge with the console or the API only",
            problem=True,
        )
    if not differences:
        yield judge("statistics", "a recount agrees", 0, rule)
