"""`manage.py tasks`: what an operator may do to tasks, one, many or by filter, and to queues and task names."""

from __future__ import annotations

import argparse
import difflib
import json
import os
import pwd
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser, OutputWrapper
from django.db import OperationalError
from django.utils import timezone

from tasks_app import conf, queue, registry, wording
from tasks_app.engine.payload import encode
from tasks_app.engine.states import LIVE, TERMINAL, TRANSITIONS, WAITING, Reason, State
from tasks_app.exceptions import InvalidArguments, InvalidPayload, UnknownTask
from tasks_app.management.commands.enqueue import MAX_DELAY, arguments
from tasks_app.models import Queue, Task
from tasks_app.queue.operate import MAX_IDS, MAX_PRIORITY
from tasks_app.selection import SEARCH, Selection, Walk, now

LIMIT = 10_000
PAGE = 50
MAX_LIMIT = 100_000_000
COUNTED = 10_000
"""Tasks that are counted before it is asked whether to act on them."""
SHOWN = 10
"""Tasks refused or unknown that are named one by one."""
GROUPS = 100
MAX_TEXT = 500
USAGE = 2
INTERRUPTED = 130

FAILED_BECAUSE = [str(reason) for reason in Reason if reason not in wording.GATED]
FILTERS = (
    *("state", "queue", "name", "failed_because", "tag", "error"),
    *("finished_after", "finished_before", "enqueued_before"),
)

Options = dict[str, Any]
Act = Callable[[list[UUID]], queue.Report]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verb:
    act: Callable[..., queue.Report]
    done: str
    chosen: frozenset[State]
    """States of the tasks that a filter chooses which names none; none: it has to."""
    help: str


VERBS = {
    "cancel": Verb(
        act=queue.cancel,
        done="cancelled",
        chosen=LIVE,
        help="End live tasks as cancelled: waiting ones at once, running ones when their attempt ends without success.",
    ),
    "discard": Verb(
        act=queue.discard,
        done="discarded",
        chosen=WAITING,
        help="Let waiting tasks fail without another attempt: they become dead letters.",
    ),
    "retry": Verb(
        act=queue.retry,
        done="made ready",
        chosen=frozenset({State.SCHEDULED}),
        help="Make scheduled tasks ready now, whatever they wait for: a retry's delay or a time of their own.",
    ),
    "redrive": Verb(
        act=queue.redrive,
        done="redriven",
        chosen=frozenset({State.FAILED}),
        help=(
            "Give dead letters all their attempts again, under the same id. Cancelled tasks too, if they are named by"
            " id or by --state cancelled."
        ),
    ),
    "purge": Verb(
        act=queue.purge,
        done="purged",
        chosen=frozenset(),
        help="Remove tasks that wait or have ended, for good. By filter, name the states with --state.",
    ),
    "reprioritise": Verb(
        act=queue.reprioritise,
        done="reprioritised",
        chosen=LIVE,
        help="Give live tasks another priority.",
    ),
    "reschedule": Verb(
        act=queue.reschedule,
        done="rescheduled",
        chosen=frozenset({State.SCHEDULED, State.READY}),
        help="Give scheduled and ready tasks another time.",
    ),
}


@dataclass(slots=True)
class Tally:
    """What became of the tasks that an act was asked for."""

    verb: str
    done: int = 0
    asked: int = 0
    """Running ones that were cancelled."""
    refused: Counter[State] = field(default_factory=Counter)
    unknown: int = 0
    named: list[str] = field(default_factory=list)

    def add(self, report: queue.Report) -> None:
        running = sum(state == State.RUNNING for state in report.done.values())
        self.asked += running if self.verb == "cancel" else 0
        self.done += len(report.done) - (running if self.verb == "cancel" else 0)
        self.refused.update(report.refused.values())
        self.unknown += len(report.unknown)
        legal = " or ".join(sorted(legal_in(self.verb)))
        self.named += [
            f"refused  {id}: it is {state}, not {legal}" for id, state in report.refused.items()
        ]
        self.named += [f"unknown  {id}: there is no such task" for id in report.unknown]
        del self.named[SHOWN:]

    @property
    def total(self) -> int:
        return self.done + self.asked + self.not_done

    @property
    def not_done(self) -> int:
        return self.refused.total() + self.unknown

    def in_words(self, done: str) -> str:
        said = [f"{self.done:,} {done}"]
        if self.asked:
            said.append(f"{self.asked:,} running, asked to end")
        if self.refused:
            said.append(f"{self.refused.total():,} refused ({by_state(self.refused)})")
        if self.unknown:
            said.append(f"{self.unknown:,} unknown")
        return ", ".join(said)


class Progress:
    """How far an act of several chunks is: one line that is rewritten on a terminal, elsewhere a line a chunk."""

    def __init__(self, stream: OutputWrapper, total: int | None) -> None:
        self._stream = stream
        self._total = total
        self._began = time.monotonic()
        self._width = 0

    def show(self, tally: Tally, done: str) -> None:
        of = "" if self._total is None else f" of {self._total:,}"
        rate = tally.total / max(time.monotonic() - self._began, 0.001)
        line = f"{tally.total:,}{of} tasks at {rate:,.0f}/s: {tally.in_words(done)}"
        if self._stream.isatty():
            self._width = max(self._width, len(line))
            self._stream.write(f"\r{line:<{self._width}}", str, ending="")
        else:
            self._stream.write(line, str)
        self._stream.flush()

    def end(self) -> None:
        if self._width:
            self._stream.write("\n", str)
            self._width = 0


class Command(BaseCommand):
    help = (
        "Look at tasks, and act on them: by id, or all that a filter chooses. Acts by filter go in chunks of"
        f" {MAX_IDS:,}, oldest tasks first, each chunk a transaction of its own: one that was interrupted can be said"
        " again. Each act is written to the audit. Exit status: 0 all that was asked was done; 1 something was refused"
        " or unknown, or not all was looked through; 2 usage; 130 interrupted."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        doors = parser.add_subparsers(dest="door", required=True, metavar="ACT")

        def door(name: str, help: str, run: Callable[[Options], bool]) -> CommandParser:
            found: CommandParser = doors.add_parser(name, help=help, description=help)
            found.set_defaults(run=run)
            return found

        for name, verb in VERBS.items():
            act = door(name, verb.help, self._act)
            act.add_argument("ids", nargs="*", type=task_id, metavar="ID", help="tasks to act on")
            if name == "reprioritise":
                act.add_argument(
                    "--to",
                    type=priority,
                    required=True,
                    metavar="N",
                    help="-100 to 100, higher is run first",
                )
            if name == "reschedule":
                when = act.add_mutually_exclusive_group(required=True)
                when.add_argument("--at", type=instant, metavar="TIME", help=TIME)
                when.add_argument(
                    "--in", dest="delay", type=seconds, metavar="SECONDS", help="so long from now"
                )
            add_filters(act, sorted(legal_in(name)), LIMIT)
            add_account(act)
            act.add_argument(
                "--yes", action="store_true", help="do not ask before acting by filter"
            )
            act.add_argument(
                "--dry-run", action="store_true", help="say what would be done, and do nothing"
            )
        self._add_edit(door)
        for name, help in (
            ("pause", "Let no more tasks of a queue, or of a name, start; running ones go on."),
            ("resume", "Let tasks of a queue, or of a name, start again."),
        ):
            control = door(name, help, self._pause if name == "pause" else self._resume)
            what = control.add_mutually_exclusive_group(required=True)
            what.add_argument("--queue", type=line, metavar="QUEUE", help="all tasks of this queue")
            what.add_argument("--name", type=line, metavar="NAME", help="all tasks of this name")
            add_account(control)
        listed = door("list", "List tasks, newest first, one a line.", self._list)
        add_filters(listed, list(State), PAGE)
        listed.add_argument("--json", action="store_true", help="one JSON object a line")
        dead = door(
            "dead",
            "Show dead letters: failed tasks by name, reason and class of the last error.",
            self._dead,
        )
        add_filters(dead, [State.FAILED], LIMIT)

    def _add_edit(self, door: Callable[..., CommandParser]) -> None:
        edit = door(
            "edit",
            "Give a waiting task other arguments, which are checked as those of a new one. What is left out stays.",
            self._edit,
        )
        edit.add_argument("id", type=task_id, metavar="ID")
        # `args` among the options is Django's own.
        edit.add_argument(
            "--args", dest="positional", metavar="JSON", help="positional arguments: '[4711, true]'"
        )
        edit.add_argument(
            "--kwargs", dest="keywords", metavar="JSON", help="""keyword arguments: '{"copy": 2}'"""
        )
        add_account(edit)
        edit.add_argument(
            "--dry-run", action="store_true", help="check the arguments, and change nothing"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            complete = options["run"](options)
        except OperationalError as error:
            raise CommandError(f"The database does not answer: {error}") from error
        if not complete:
            sys.exit(1)

    def _act(self, options: Options) -> bool:
        ids = list(dict.fromkeys(options["ids"]))
        filtered = any(options[name] is not None for name in FILTERS)
        if ids and (filtered or options["cursor"]):
            raise CommandError("Give ids or filters, not both.", returncode=USAGE)
        if ids:
            return self._do(options, ids, None)
        if not filtered:
            raise CommandError(
                "Give ids, or filters: --state alone chooses all tasks in that state.",
                returncode=USAGE,
            )
        return self._act_by_filter(options)

    def _act_by_filter(self, options: Options) -> bool:
        verb, limit = VERBS[options["door"]], options["limit"]
        states = options["state"] or verb.chosen
        if not states and options["failed_because"]:
            states = [State.FAILED]
        if not states:
            raise CommandError(
                f"{options['door']} by filter: name the states with --state.", returncode=USAGE
            )
        # Tasks enqueued from now on are not meant.
        chosen = select(options, states, there_at=now())
        total = None
        if not options["yes"] and not options["dry_run"]:
            if not sys.stdin.isatty():
                raise CommandError(
                    f"{options['door']} by filter asks on a terminal only: add --yes, or --dry-run to see what would"
                    " be done.",
                    returncode=USAGE,
                )
            total = self._ask(options, chosen)
            if total == 0:
                self.stdout.write("No task matches.")
                return True
        walk = Walk(chosen, limit, cursor=options["cursor"])
        complete = self._do(options, (id for (id,) in walk), total)
        if walk.more:
            self.stderr.write(f"More match than --limit {limit:,}: say it again for the rest.", str)
        return self._looked_through(walk) and complete

    def _ask(self, options: Options, chosen: Selection) -> int | None:
        """How many tasks it is about; None if there are too many to count. Raises CommandError for a no."""
        limit = options["limit"]
        walk = Walk(chosen, min(limit, COUNTED), "state", cursor=options["cursor"])
        states = Counter(state for _, state in walk)
        count = states.total()
        many = wording.plural(count, "task")
        if walk.gave_up:
            many = f"{many} or more"
        elif walk.more and limit > count:
            many = f"more than {many}, and at most {limit:,},"
        elif walk.more:
            many = f"the oldest {many} of more than that"
        elif not count:
            return 0
        self.stderr.write(f"{options['door']} {many} ({by_state(states)})? [y/N] ", str, ending="")
        self.stderr.flush()
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            raise CommandError("Nothing was done.")
        return None if walk.gave_up or (walk.more and limit > count) else count

    def _do(self, options: Options, ids: Iterable[UUID], total: int | None) -> bool:
        """Act on the tasks chunk by chunk, and say what became of them. Whether all of it was done."""
        verb = VERBS[options["door"]]
        act = expect(options["door"]) if options["dry_run"] else acting(options)
        done = f"would be {verb.done}" if options["dry_run"] else verb.done
        tally, progress, interrupted = Tally(options["door"]), Progress(self.stderr, total), False
        try:
            for chunk in chunks(ids):
                tally.add(act(chunk))
                if tally.total >= MAX_IDS:
                    progress.show(tally, done)
        except KeyboardInterrupt:
            interrupted = True
        finally:
            progress.end()
            for said in tally.named:
                self.stderr.write(said, str)
            if tally.not_done > len(tally.named):
                self.stderr.write(f"and {tally.not_done - len(tally.named):,} more", str)
            self.stdout.write(f"{tally.in_words(done)}.")
        if interrupted:
            self.stderr.write(
                "Interrupted; the chunk under way was undone. Say it again for the rest.", str
            )
            sys.exit(INTERRUPTED)
        return not tally.not_done

    def _looked_through(self, walk: Walk) -> bool:
        if walk.gave_up:
            self.stderr.write(
                f"Stopped after {SEARCH:,} tasks that do not match; to look on from there: --cursor {walk.cursor}",
                str,
            )
        return not walk.gave_up

    def _edit(self, options: Options) -> bool:
        if options["positional"] is None and options["keywords"] is None:
            raise CommandError("Give --args, --kwargs or both.", returncode=USAGE)
        task = tasks().filter(id=options["id"]).first()
        if task is None:
            raise CommandError(f"There is no task {options['id']}.")
        limit = conf.settings().MAX_PAYLOAD_BYTES
        try:
            args, kwargs = arguments(
                json.dumps(task.args) if options["positional"] is None else options["positional"],
                json.dumps(task.kwargs) if options["keywords"] is None else options["keywords"],
            )
            registry.check_arguments(registry.find(task.name), args, kwargs)
            texts = encode(args, "args", limit), encode(kwargs, "kwargs", limit)
        except UnknownTask as error:
            raise CommandError(f"Arguments cannot be checked here: {error}") from error
        except (InvalidArguments, InvalidPayload) as error:
            raise CommandError(str(error), returncode=USAGE) from error
        tally = Tally("edit_args")
        if options["dry_run"]:
            tally.add(expect("edit_args")([task.id]))
        else:
            tally.add(queue.edit_args(task.id, *texts, **account(options)))
        for said in tally.named:
            self.stderr.write(said, str)
        self.stdout.write(
            f"{tally.in_words('would be edited' if options['dry_run'] else 'edited')}."
        )
        return not tally.not_done

    def _pause(self, options: Options) -> bool:
        if name := options["queue"]:
            if not queues().filter(name=name).exists():
                # Pausing would make it, and nobody notice that the name was mistyped.
                raise no_queue(name)
            queue.pause(name, **account(options))
            self.stdout.write(f"Queue {name} is paused: no worker claims from it.")
            return True
        name = options["name"]
        if "*" in name:
            raise CommandError(f"--name {name!r}: must be one whole name.", returncode=USAGE)
        try:
            registry.find(name)
        except UnknownTask as error:
            self.stderr.write(f"{error} It may be of another version of the code.", str)
        queue.pause_name(name, **account(options))
        self.stdout.write(f"{name} is paused: none of its tasks starts.")
        return True

    def _resume(self, options: Options) -> bool:
        if name := options["queue"]:
            if not queue.resume(name, **account(options)):
                raise no_queue(name)
            self.stdout.write(f"Queue {name} runs again.")
            return True
        name = options["name"]
        if not queue.resume_name(name, **account(options)):
            raise CommandError(f"{name} was not paused.")
        self.stdout.write(f"{name} runs again.")
        return True

    def _list(self, options: Options) -> bool:
        chosen = select(options, options["state"] or State)
        walk = Walk(chosen, options["limit"], newest_first=True, cursor=options["cursor"])
        at = now()
        for chunk in chunks(id for (id,) in walk):
            found = tasks().filter(id__in=chunk).defer("args", "kwargs", "result").newest_first()
            self._write(list(found), at, as_json=options["json"])
        if walk.more:
            self.stderr.write(f"There are more: --cursor {walk.cursor}", str)
        self._looked_through(walk)
        return True

    def _write(self, found: list[Task], at: datetime, *, as_json: bool) -> None:
        width = max((len(task.name) for task in found), default=0)
        for task in found:
            last = task.failures[-1] if task.failures else None
            if as_json:
                self.stdout.write(json.dumps(summary(task, last), ensure_ascii=False))
                continue
            age = wording.duration((at - task.enqueued_at).total_seconds())
            said = [f"{task.id}  {task.state:<9}  {task.reason or '-':<12}  {task.name:<{width}}"]
            said.append(f"{age:>9}")
            said.append(wording.error(last) if last else "-")
            self.stdout.write(printable("  ".join(said)))

    def _dead(self, options: Options) -> bool:
        chosen = select(options, [State.FAILED])
        columns = ("name", "reason", "error_class", "finished_at")
        walk = Walk(chosen, options["limit"], *columns, newest_first=True, cursor=options["cursor"])
        groups: Counter[tuple[str, str, str]] = Counter()
        last: dict[tuple[str, str, str], datetime] = {}
        for _, name, reason, error_class, finished_at in walk:
            group = (name, reason, error_class or "-")
            groups[group] += 1
            last[group] = max(finished_at, last.get(group, finished_at))
        at, width = now(), max((len(name) for name, _, _ in groups), default=0)
        for group, count in groups.most_common(GROUPS):
            name, reason, error_class = group
            ago = wording.duration((at - last[group]).total_seconds())
            self.stdout.write(
                printable(
                    f"{count:>9,}  {name:<{width}}  {reason:<9}  {error_class}  last {ago} ago"
                )
            )
        if len(groups) > GROUPS:
            self.stdout.write(f"and {wording.plural(len(groups) - GROUPS, 'smaller group')}")
        letters = wording.plural(groups.total(), "dead letter")
        if walk.more:
            self.stdout.write(f"The newest {letters}; those before: --cursor {walk.cursor}")
        else:
            self.stdout.write(f"{letters}.")
        self._looked_through(walk)
        return True


def tasks() -> Any:
    return Task.objects.using(conf.settings().DATABASE)


def queues() -> Any:
    return Queue.objects.using(conf.settings().DATABASE)


def legal_in(verb: str) -> frozenset[State]:
    return frozenset(State(source) for source, _ in TRANSITIONS[verb] if source is not None)


def acting(options: Options) -> Act:
    verb = VERBS[options["door"]]
    values: list[Any] = []
    if options["door"] == "reprioritise":
        values = [options["to"]]
    if options["door"] == "reschedule":
        values = [options["at"] or timezone.now() + timedelta(seconds=options["delay"])]
    return lambda ids: verb.act(ids, *values, **account(options))


def expect(verb: str) -> Act:
    """Reports what the act would do, from the states that tasks are in now."""
    legal = legal_in(verb)

    def look(ids: list[UUID]) -> queue.Report:
        states = {id: State(s) for id, s in tasks().filter(id__in=ids).values_list("id", "state")}
        return queue.Report(
            done={id: state for id, state in states.items() if state in legal},
            refused={id: state for id, state in states.items() if state not in legal},
            unknown=[id for id in ids if id not in states],
        )

    return look


def select(
    options: Options, states: Iterable[State], *, there_at: datetime | None = None
) -> Selection:
    """What the filters choose among tasks in these states. `there_at`: enqueued by then, if no filter says it."""
    wanted = {State(state) for state in states}
    if options["failed_because"]:
        wanted &= {State.FAILED}
    if options["finished_after"] or options["finished_before"]:
        wanted &= TERMINAL
    if not wanted:
        raise CommandError(
            "No task can match: --failed-because is of failed tasks, --finished-… of those that have ended.",
            returncode=USAGE,
        )
    latest = there_at + timedelta(microseconds=1) if there_at else None
    return Selection(
        states=frozenset(wanted),
        queue=options["queue"],
        name=options["name"],
        reason=options["failed_because"],
        tag=options["tag"],
        error=options["error"],
        finished_after=options["finished_after"],
        finished_before=options["finished_before"],
        enqueued_before=options["enqueued_before"] or latest,
    )


def chunks(ids: Iterable[UUID]) -> Iterator[list[UUID]]:
    left = iter(ids)
    while chunk := list(islice(left, MAX_IDS)):
        yield chunk


def by_state(states: Counter[State]) -> str:
    return ", ".join(f"{count:,} {state}" for state, count in states.most_common())


def summary(task: Task, last: dict[str, Any] | None) -> dict[str, Any]:
    times = ("enqueued_at", "run_at", "started_at", "finished_at")
    plain = ("state", "reason", "name", "queue", "priority", "attempt", "max_attempts", "tags")
    found: dict[str, Any] = {"id": str(task.id)}
    found |= {name: getattr(task, name) for name in plain}
    found |= {name: at.isoformat() if (at := getattr(task, name)) else None for name in times}
    found["error"] = last and {key: last.get(key) for key in ("exception_class", "message")}
    return found


def no_queue(name: str) -> CommandError:
    near = difflib.get_close_matches(name, queues().values_list("name", flat=True)[:LIMIT], n=3)
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    return CommandError(f"There is no queue {name!r}.{hint}")


def printable(text: str) -> str:
    """What came from a task must not speak to the terminal."""
    return "".join(c if c.isprintable() else "\ufffd" for c in text)


def account(options: Options) -> dict[str, str]:
    """Who acts, and why."""
    return {"by": options["by"], "reason": options["reason"] or ""}


def operating_system_account() -> str:
    """Not what the environment says of it."""
    try:
        return f"os:{pwd.getpwuid(os.getuid()).pw_name}"
    except KeyError:
        return f"os:{os.getuid()}"


# Values of options: each raises ArgumentTypeError with the value and the rule.

TIME = "a date in the project's time zone, or a time with its offset: 2026-11-23, 2026-11-23T08:00+01:00"
_DATE = re.compile(r"\d{4}-\d\d-\d\d")


def task_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: must be the id of a task") from None


def line(text: str) -> str:
    if not 1 <= len(text) <= MAX_TEXT or not text.isprintable():
        raise argparse.ArgumentTypeError(
            f"{text!r}: must be 1 to {MAX_TEXT} printable characters on one line"
        )
    return text


def task_name(text: str) -> str:
    if "*" in text[:-1]:
        raise argparse.ArgumentTypeError(f"{text!r}: may have a * at its end only")
    return line(text)


def instant(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: must be {TIME}") from None
    if not 2 <= at.year <= 9998:
        raise argparse.ArgumentTypeError(f"{text!r}: must be in the years 2 to 9998")
    if at.utcoffset() is not None:
        return at
    if not _DATE.fullmatch(text):
        raise argparse.ArgumentTypeError(
            f"{text!r}: must have an offset from UTC, such as Z or +01:00"
        )
    return timezone.make_aware(at)


def seconds(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not 0 <= found <= MAX_DELAY:
        raise argparse.ArgumentTypeError(f"{text!r}: must be from 0 to {MAX_DELAY:,} seconds")
    return found


def priority(text: str) -> int:
    if not re.fullmatch(r"-?\d{1,3}", text, re.ASCII) or abs(int(text)) > MAX_PRIORITY:
        raise argparse.ArgumentTypeError(
            f"{text!r}: must be a whole number from -{MAX_PRIORITY} to {MAX_PRIORITY}"
        )
    return int(text)


def number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MAX_LIMIT:
        raise argparse.ArgumentTypeError(
            f"{text!r}: must be a whole number from 1 to {MAX_LIMIT:,}"
        )
    return int(text)


def add_filters(parser: CommandParser, states: Sequence[str], limit: int) -> None:
    filters = parser.add_argument_group("filters, all of which have to hold")
    filters.add_argument(
        "--state",
        action="append",
        choices=[str(state) for state in states],
        metavar="STATE",
        help=f"may be repeated: {', '.join(states)}",
    )
    filters.add_argument("--queue", type=line, metavar="QUEUE", help="in this queue")
    filters.add_argument(
        "--name",
        type=task_name,
        metavar="NAME",
        help="of this name, or with this beginning: shop.*",
    )
    filters.add_argument(
        "--failed-because",
        choices=FAILED_BECAUSE,
        metavar="REASON",
        help=f"failed for this reason: {', '.join(FAILED_BECAUSE)}",
    )
    filters.add_argument("--tag", type=line, metavar="TAG", help="with this tag")
    filters.add_argument(
        "--error",
        type=line,
        metavar="CLASS",
        help="whose last error was of this class: shop.errors.Refused, or Refused",
    )
    filters.add_argument(
        "--finished-after", type=instant, metavar="TIME", help=f"ended then or later: {TIME}"
    )
    filters.add_argument("--finished-before", type=instant, metavar="TIME", help="ended earlier")
    filters.add_argument("--enqueued-before", type=instant, metavar="TIME", help="enqueued earlier")
    filters.add_argument(
        "--limit",
        type=number,
        default=limit,
        metavar="N",
        help=f"so many tasks at the most (default: {limit:,})",
    )
    filters.add_argument(
        "--cursor",
        type=task_id,
        metavar="ID",
        help="go on behind this task, with which an earlier call ended",
    )


def add_account(parser: CommandParser) -> None:
    audit = parser.add_argument_group("audit")
    audit.add_argument("--reason", type=line, metavar="TEXT", help="why")
    audit.add_argument(
        "--by",
        type=line,
        default=operating_system_account(),
        metavar="NAME",
        help="who (default: the account, %(default)s)",
    )
