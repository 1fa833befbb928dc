"""What a process owes the one that started it: to end with it, and to leave signals to it."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from types import FrameType

PR_SET_PDEATHSIG = 1  # prctl(2)


def die_with_parent(parent: int | None = None) -> None:
    """Have the kernel kill this process when its parent ends (Linux); at once if `parent` has ended already."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    # It may have ended between the start of this process and the line above.
    if parent is not None and os.getppid() != parent:
        os._exit(1)


def ignore(number: int, frame: FrameType | None) -> None:
    """A signal handler that does nothing. Not SIG_IGN: that would be inherited by programs that tasks start."""
