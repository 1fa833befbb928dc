"""The black box: which tasks are in a runner's slots, in memory that its supervisor can read after it has died."""

from __future__ import annotations

import mmap
from uuid import UUID

_EMPTY = bytes(16)


class BlackBox:
    """One per runner, made before the fork. A slot writes only its own place, so nothing is locked."""

    def __init__(self, slots: int) -> None:
        self._memory = mmap.mmap(-1, slots * 16)
        self._slots = slots

    def enter(self, slot: int, task: UUID) -> None:
        self._memory[slot * 16 : slot * 16 + 16] = task.bytes

    def leave(self, slot: int) -> None:
        self._memory[slot * 16 : slot * 16 + 16] = _EMPTY

    def tasks(self) -> list[UUID]:
        """The tasks that are, or were last, in the slots."""
        places = [self._memory[slot * 16 : slot * 16 + 16] for slot in range(self._slots)]
        return [UUID(bytes=place) for place in places if place != _EMPTY]

    def clear(self) -> None:
        self._memory[:] = bytes(self._slots * 16)
