from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import pytest
from django.db import connection
from uuid_utils.compat import uuid7

from tasks_app import queue, registry


@pytest.fixture
def register(transactional_db: None) -> Callable[..., UUID]:
    """Registers a worker that no process stands behind."""

    def register(
        *, direct: bool = False, capabilities: list[str] | None = None, serial: int | None = None
    ) -> UUID:
        worker = uuid7()
        queue.register(
            queue.Registration(
                id=worker,
                serial=queue.take_serial() if serial is None else serial,
                direct=direct,
                name="test",
                hostname="here",
                pid=1,
                queues=[],
                capabilities=registry.names() if capabilities is None else capabilities,
                slots=1,
            )
        )
        return worker

    return register


@pytest.fixture
def worker(register: Callable[..., UUID]) -> UUID:
    return register()


def sql(statement: str, *parameters: object) -> list[tuple]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchall() if cursor.description else []
