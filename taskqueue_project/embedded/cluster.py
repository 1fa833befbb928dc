"""Making a PostgreSQL cluster: initdb with a random password, whole or not at all."""

from __future__ import annotations

import secrets
import shutil
import subprocess
import tempfile
from pathlib import Path

from taskqueue_project.embedded.errors import EmbeddedServerError
from taskqueue_project.embedded.files import write_private
from taskqueue_project.embedded.place import Place

USER = "taskqueue"


def initialise(place: Place, password_file: Path, *, sync: bool) -> None:
    """Create the cluster at `place.data`, its password in `password_file`.

    It becomes `data` at the end by a rename, when its password is kept: an interrupted initdb leaves neither.
    """
    unfinished = place.home / "data.unfinished"
    if unfinished.exists():
        shutil.rmtree(unfinished)
    unfinished.mkdir(mode=0o700)
    place.account.take(unfinished)
    password = secrets.token_urlsafe(24)
    with tempfile.NamedTemporaryFile("w", dir=place.home, prefix="password-") as given:
        given.write(password)
        given.flush()
        place.account.take(given.fileno())
        _initdb(place, unfinished, Path(given.name), sync=sync)
    write_private(password_file, password)
    unfinished.rename(place.data)


def password(place: Place, password_file: Path) -> str:
    try:
        return password_file.read_text()
    except FileNotFoundError as error:
        raise EmbeddedServerError(
            f"{place.data} has a cluster whose password, {password_file}, is gone: "
            f"put the file back, or begin anew with `rm -r {place.data}`."
        ) from error


def _initdb(place: Place, directory: Path, password_file: Path, *, sync: bool) -> None:
    command: list[str | Path] = [
        place.binaries / "initdb",
        f"--pgdata={directory}",
        f"--username={USER}",
        f"--pwfile={password_file}",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--locale=C",
        "--no-instructions",
    ]
    done = subprocess.run(  # noqa: S603 (our own binary)
        command if sync else [*command, "--no-sync"],
        cwd=place.home,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        text=True,
        timeout=300,
        start_new_session=True,
        **place.account.owner,
    )
    if done.returncode != 0:
        raise EmbeddedServerError(f"initdb failed in {place.home}:\n{done.stderr.strip()}")
