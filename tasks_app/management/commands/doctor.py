"""`manage.py doctor`: whether the live system is as it should be, and what to do where it is not."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from tasks_app import doctor, wording
from tasks_app.doctor import Finding, Level


class Command(BaseCommand):
    help = (
        "Check the live system: the engine's invariants, storage, the server, workers and queues. Reads only, and can be"
        " run at any time. Exit status: 0 nothing found, 1 warnings only, 2 problems."
    )
    # What is wrong with the settings is found in its own way: their exit status would be that of warnings.
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--deep",
            action="store_true",
            help="look at all rows, and recount the statistics: minutes on a large history",
        )
        parser.add_argument(
            "--json",
            action="store_true",
            help="one JSON object: status, and findings with check, level, found, value, rule, remedy",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        findings: list[Finding] = []
        for finding in doctor.examine(deep=options["deep"]):
            findings.append(finding)
            if not options["json"]:
                self._tell(finding)
        levels = Counter(finding.level for finding in findings)
        worst = max(levels, key=lambda level: level.exit_status)
        if options["json"]:
            answer = {"status": worst, "findings": [asdict(finding) for finding in findings]}
            self.stdout.write(json.dumps(answer, indent=2, ensure_ascii=False))
        else:
            self.stdout.write(self._summary(levels))
        if worst.exit_status:
            sys.exit(worst.exit_status)

    def _tell(self, finding: Finding) -> None:
        paint = self._paint(finding.level)
        self.stdout.write(
            f"{paint(f'{finding.level:<8}')} {finding.check}: {finding.found} (rule: {finding.rule})"
        )
        if finding.remedy:
            self.stdout.write(f"{'':8} remedy: {finding.remedy}")
        self.stdout.flush()

    def _summary(self, levels: Counter[Level]) -> str:
        problems, warnings = levels[Level.PROBLEM], levels[Level.WARNING]
        if not problems and not warnings:
            return self._paint(Level.OK)(f"Nothing found; {levels[Level.OK]} checks.")
        level = Level.PROBLEM if problems else Level.WARNING
        said = f"{wording.plural(problems, 'problem')}, {wording.plural(warnings, 'warning')}."
        return self._paint(level)(said)

    def _paint(self, level: Level) -> Callable[[str], str]:
        styles: dict[Level, Callable[[str], str]] = {
            Level.OK: self.style.SUCCESS,
            Level.WARNING: self.style.WARNING,
            Level.PROBLEM: self.style.ERROR,
        }
        return styles[level]
