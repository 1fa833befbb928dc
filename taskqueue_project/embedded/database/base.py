"""Django's PostgreSQL backend with the address of the embedded server, read from its port file on connecting.

So settings start nothing and know no port, and a server that came back elsewhere is found again.
"""

from __future__ import annotations

import warnings
from typing import Any

import psycopg
from django.conf import settings
from django.db.backends.postgresql import base

from taskqueue_project.embedded.address import Address, port_file
from taskqueue_project.embedded.errors import EmbeddedDatabaseDownError

# `makemigrations` compares files with models; that it could not also look at a database is no news here.
warnings.filterwarnings("ignore", "Got an error checking a consistent migration history")


def not_running(reason: str) -> EmbeddedDatabaseDownError:
    return EmbeddedDatabaseDownError(
        f"DATABASE_URL is not set and the embedded PostgreSQL is not running ({reason}): "
        "start it with `make run` (or `python manage.py up`), or set DATABASE_URL."
    )


class DatabaseWrapper(base.DatabaseWrapper):
    def get_connection_params(self) -> dict[str, Any]:
        path = port_file(settings.VAR_DIR)
        try:
            address = Address.read(path)
        except FileNotFoundError as error:
            raise not_running(f"no {path}") from error
        parameters: dict[str, Any] = super().get_connection_params()
        return parameters | {
            "host": address.host,
            "port": address.port,
            "user": address.user,
            "password": address.password,
        }

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        try:
            return super().get_new_connection(conn_params)
        except psycopg.OperationalError as error:
            if "onnection refused" not in str(error):
                raise
            where = f"connection refused at {conn_params['host']}:{conn_params['port']}"
            raise not_running(where) from error
