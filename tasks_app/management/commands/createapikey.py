"""`manage.py createapikey`: a new API key, alone on its line on stdout."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError
from django.utils import timezone

from tasks_app import conf
from tasks_app.models import ApiKey
from tasks_app.models.api_key import SCOPES

MAX_DAYS = 36_500


class Command(BaseCommand):
    help = (
        "Issue an API key and print it on stdout. It is shown this once: only a hash is stored. Revoke it in the"
        " console."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--name", required=True, metavar="NAME", help="who uses it, such as 'billing service'"
        )
        parser.add_argument(
            "--scopes", required=True, metavar="A,B", help=f"what it may do: {', '.join(SCOPES)}"
        )
        parser.add_argument(
            "--expires-in-days",
            type=int,
            metavar="N",
            help="days for which it is valid (default: until it is revoked)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        name, days = options["name"], options["expires_in_days"]
        longest = ApiKey._meta.get_field("name").max_length
        if longest and len(name) > longest:
            raise CommandError(f"A name has at most {longest} characters.")
        expires_at = None
        if days is not None:
            if not 1 <= days <= MAX_DAYS:
                raise CommandError(f"--expires-in-days must be from 1 to {MAX_DAYS:,}.")
            expires_at = timezone.now() + timedelta(days=days)
        scopes = [scope.strip() for scope in options["scopes"].split(",") if scope.strip()]
        keys = ApiKey.objects.db_manager(conf.settings().DATABASE)
        try:
            key, text = keys.issue(name, scopes, expires_at)
        except ValueError as error:
            raise CommandError(str(error)) from error
        except OperationalError as error:
            raise CommandError(f"The database does not answer: {error}") from error
        until = f"until {expires_at:%Y-%m-%d %H:%M} UTC" if expires_at else "until it is revoked"
        self.stderr.write(
            f"A key for {key.name}: {', '.join(key.scopes)}, valid {until}. It is not shown again."
        )
        self.stdout.write(text)
