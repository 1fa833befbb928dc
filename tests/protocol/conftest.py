from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import connection

NOW = (
    "CREATE OR REPLACE FUNCTION tq_now() RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE AS "
)


@pytest.fixture
def movable_clock(transactional_db: None) -> Iterator[None]:
    """The queue's clock is the database's, moved by the setting `tq.ahead` of the session."""
    with connection.cursor() as cursor:
        cursor.execute(
            NOW
            + "$$ SELECT now() + coalesce(nullif(current_setting('tq.ahead', true), ''), '0')::interval $$"
        )
        yield
        cursor.execute(NOW + "'SELECT now()'")
        cursor.execute("RESET tq.ahead")


def move_clock(seconds: float) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('tq.ahead', %s, false)", [f"{seconds} seconds"])
