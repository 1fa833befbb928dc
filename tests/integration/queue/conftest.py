from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import pytest
from django.db import connection
from uuid_utils.compat import uuid7

from tasks_app import queue, registry
from tasks_app.engine.outcomes import Decision
from tasks_app.engine.states import Reason, State


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


def claim_one(worker: UUID) -> queue.Claim:
    (claim,) = queue.claim(["default"], 1, worker)
    return claim


def finish_one(claim: queue.Claim, *, state: State = State.SUCCEEDED) -> queue.Answer:
    """Write that the claim's attempt led to that state."""
    reason = Reason.DISCARDED if state is State.FAILED else None
    result = "null" if state is State.SUCCEEDED else None
    decision = Decision(state, reason=reason, result=result, attempt_back=state is State.READY)
    ran = None if state is State.READY else 0.1
    return queue.finish([queue.Finish(claim, decision, ran=ran)])[claim.key]


def sql(statement: str, *parameters: object) -> list[tuple]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchall() if cursor.description else []
