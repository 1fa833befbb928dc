"""`manage.py up`, run as people run it: everything comes up, and Ctrl-C takes everything down."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
from pathlib import Path

import psycopg
import pytest

from taskqueue_project.embedded.address import Address, port_file
from taskqueue_project.embedded.ports import free_port
from taskqueue_project.embedded.postgres import PostgresServer
from tests.conftest import StartManage
from tests.processes import ManageProcess, children, descendants, is_alive
from tests.waiting import eventually

READY = "Ctrl-C stops everything."
LINUX_ONLY = pytest.mark.skipif(
    not Path("/proc/self").exists(), reason="only Linux tells children of their parent's death"
)


def get(port: int, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()


class Up:
    """Starts `up` with its data in `var` and without anything that the test run gave to the environment."""

    def __init__(self, manage: StartManage, var: Path) -> None:
        self.manage = manage
        self.var = var
        self.port = free_port()

    def begin(self, *arguments: str, **environment: str | None) -> ManageProcess:
        return self.manage(
            "up",
            *arguments,
            **{
                "DJANGO_SETTINGS_MODULE": None,
                "DATABASE_URL": None,
                "REDIS_URL": None,
                "SECRET_KEY": None,
                "TASKQUEUE_VAR": str(self.var),
                "PORT": str(self.port),
                **environment,
            },
        )

    def ready(self, *arguments: str, **environment: str | None) -> ManageProcess:
        process = self.begin(*arguments, **environment)
        eventually(
            lambda: READY in process.output or not process.running,
            timeout=60,
            message=lambda: process.output,
        )
        assert process.running, process.output
        return process


@pytest.fixture
def up(manage: StartManage, directory: Path) -> Up:
    return Up(manage, directory)


def child(process: ManageProcess, word: str) -> int:
    """The child with `word` in its command line; 0 if there is none."""
    found = [pid for pid, command in children(process.pid).items() if word in command]
    return found[0] if found else 0


def end_with_ctrl_c(process: ManageProcess) -> None:
    """Ctrl-C, after which nothing that `up` started is left."""
    below = descendants(process.pid)
    process.signal(signal.SIGINT)
    assert process.wait(timeout=60) == 0, process.output
    eventually(lambda: not [pid for pid in below if is_alive(pid)], message=str(below))
    assert "Traceback" not in process.output


def test_everything_comes_up_says_where_it_is_and_ends_with_ctrl_c(up: Up) -> None:
    process = up.ready("--no-worker")
    assert f"http://127.0.0.1:{up.port}/console/" in process.output
    assert f"http://127.0.0.1:{up.port}/api/v1/docs/" in process.output
    assert get(up.port, "/livez") == 200
    assert len(children(process.pid)) == 3  # PostgreSQL, Valkey, web
    assert (up.var / "valkey" / "url").exists()
    first = re.findall(r"password  (\S{16}) \(shown this once", process.output)
    assert len(first) == 1
    secrets = [first[0], Address.read(port_file(up.var)).password]
    secrets += [(up.var / "secret_key").read_text(), (up.var / "valkey" / "url").read_text()]
    for command in descendants(process.pid).values():
        assert not [secret for secret in secrets if secret in command]
    end_with_ctrl_c(process)
    assert not port_file(up.var).exists()
    assert not (up.var / "valkey" / "url").exists()

    again = up.ready("--no-worker")
    assert "was shown on the first start" in again.output
    assert first[0] not in again.output
    end_with_ctrl_c(again)
    everything = [path for path in up.var.iterdir() if path.is_file()]
    assert {path.stat().st_mode & 0o777 for path in everything} == {0o600}


def test_a_port_in_use_is_named_with_the_remedy_and_nothing_is_started(up: Up) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", up.port))
        listener.listen()
        process = up.begin()
        assert process.wait() == 1
    assert f"Port {up.port}" in process.output
    assert "--port" in process.output
    assert "PORT=" in process.output
    assert "Traceback" not in process.output
    assert not list(up.var.iterdir())


@pytest.mark.parametrize("text", ["0", "70000", "abc", "-1", "80.5"])
def test_a_wrong_port_is_refused_with_the_rule(up: Up, text: str) -> None:
    for process in (up.begin(f"--port={text}"), up.begin(PORT=text)):
        assert process.wait() == 2
        assert "must be a whole number from 1 to 65535" in process.output
        assert repr(text) in process.output
        assert "Traceback" not in process.output


def test_a_second_up_with_the_same_data_is_refused_and_leaves_the_first_alone(up: Up) -> None:
    first = up.ready("--no-worker")
    second = up.begin("--no-worker", PORT=str(free_port()))
    assert second.wait() == 1
    assert "Another `up` runs" in second.output
    assert "TASKQUEUE_VAR" in second.output
    assert get(up.port, "/livez") == 200
    end_with_ctrl_c(first)


@LINUX_ONLY
def test_after_a_kill_web_is_gone_and_the_next_up_adopts_the_database(up: Up) -> None:
    process = up.ready("--no-worker")
    below = descendants(process.pid)
    server = PostgresServer(up.var / "postgres")
    database = server.pid
    process.kill()
    (web,) = (pid for pid, command in below.items() if "uvicorn" in command)
    (valkey,) = (pid for pid, command in below.items() if "valkey" in command)
    eventually(lambda: not is_alive(web) and not is_alive(valkey))
    assert server.pid == database

    again = up.ready("--no-worker")
    assert server.pid == database
    assert get(up.port, "/livez") == 200
    end_with_ctrl_c(again)
    assert server.pid is None


def test_the_death_of_the_web_server_ends_up_with_status_1(up: Up) -> None:
    process = up.ready("--no-worker")
    below = children(process.pid)
    (web,) = (pid for pid, command in below.items() if "uvicorn" in command)
    os.kill(web, signal.SIGKILL)
    assert process.wait() == 1
    assert "The web server was ended by SIGKILL; stopping." in process.output
    assert not [pid for pid in below if is_alive(pid)]


def test_a_dead_worker_is_started_again(up: Up) -> None:
    process = up.ready()
    first = eventually(lambda: child(process, "runworker"))
    os.kill(first, signal.SIGKILL)
    eventually(
        lambda: "The worker was ended by SIGKILL; it starts again in 1 s." in process.output,
        message=lambda: process.output,
    )
    assert eventually(lambda: child(process, "runworker")) != first
    assert get(up.port, "/livez") == 200
    end_with_ctrl_c(process)


def test_the_end_goes_from_web_over_worker_and_valkey_to_postgres(up: Up) -> None:
    process = up.ready()
    worker = eventually(lambda: child(process, "runworker"))
    order = [child(process, "bin/postgres"), child(process, "valkey"), worker]
    order.append(child(process, "uvicorn"))
    assert 0 not in order
    process.signal(signal.SIGTERM)

    def all_ended() -> bool:
        # Looked at from the last one back: what ended before a later look cannot be alive in it.
        alive = [is_alive(pid) for pid in order]
        assert alive == sorted(alive, reverse=True), alive
        return not any(alive)

    eventually(all_ended, timeout=60, interval=0.005)
    assert process.wait() == 0


@pytest.mark.parametrize("moment", ["PostgreSQL runs on", "console "])
def test_ctrl_c_while_it_starts_takes_down_what_was_started(up: Up, moment: str) -> None:
    process = up.begin()
    eventually(lambda: moment in process.output, timeout=60, interval=0.001)
    process.signal(signal.SIGINT)
    process.signal(signal.SIGINT)  # impatient
    assert process.wait() == 0, process.output
    assert "Traceback" not in process.output
    assert not port_file(up.var).exists()


def test_without_a_valkey_up_says_so_and_goes_on(up: Up) -> None:
    (up.var / "valkey").write_text("a file where the directory should be")
    process = up.ready("--no-worker")
    assert "without a cache, because Valkey did not start" in process.output
    assert get(up.port, "/livez") == 200
    end_with_ctrl_c(process)


def test_with_the_urls_set_only_web_runs_and_no_user_is_made(
    up: Up, postgres_server: PostgresServer
) -> None:
    process = up.ready(
        "--no-worker",
        DATABASE_URL=postgres_server.url,
        SECRET_KEY="of the test",
        REDIS_URL="redis://127.0.0.1:1/0",
    )
    assert len(children(process.pid)) == 1
    assert "password" not in process.output
    with psycopg.connect(postgres_server.url) as connection:
        assert connection.execute("SELECT count(*) FROM auth_user").fetchone() == (0,)
    end_with_ctrl_c(process)
    assert postgres_server.pid is not None
