"""The account that PostgreSQL runs as: ours, or an existing unprivileged one when we are root."""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from taskqueue_project.embedded.errors import EmbeddedServerError

CANDIDATES = ("postgres", "nobody")


class ProcessOwner(TypedDict, total=False):
    """Popen's arguments for running as another account; empty for our own."""

    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True)
class Account:
    name: str
    uid: int
    gid: int
    is_ours: bool

    @property
    def owner(self) -> ProcessOwner:
        if self.is_ours:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def take(self, target: Path | int) -> None:
        """Give a file or directory of ours (or the descriptor of one) to this account."""
        if self.is_ours:
            return
        if isinstance(target, int):
            os.fchown(target, self.uid, self.gid)
        else:
            os.chown(target, self.uid, self.gid, follow_symlinks=False)


def server_account() -> Account:
    uid = os.geteuid()
    if uid != 0:
        return Account("", uid, os.getegid(), is_ours=True)
    for name in CANDIDATES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid, is_ours=False)
    raise EmbeddedServerError(
        "PostgreSQL refuses to run as root, and this machine has neither of the accounts "
        f"{' and '.join(CANDIDATES)}: run this command as an ordinary user, or set DATABASE_URL."
    )
