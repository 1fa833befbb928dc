"""Children of `up`: ended with patience that runs out, started again with a delay that grows."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from taskqueue_project.embedded.children import Child, KeptChild
from tests.processes import is_alive
from tests.waiting import eventually

STUBBORN = """
import pathlib, signal, sys, time
heard = pathlib.Path(sys.argv[1])
signal.signal(signal.SIGTERM, lambda *_: heard.open("a").write("TERM "))
heard.write_text("ready ")
while True:
    time.sleep(0.05)
"""


def never() -> bool:
    return False


@pytest.fixture
def child(tmp_path: Path) -> Iterator[Callable[[str], Child]]:
    made: list[Child] = []

    def start(script: str) -> Child:
        command = [sys.executable, "-c", script, str(tmp_path / "heard")]
        made.append(Child("child", command, cwd=tmp_path, environment=os.environ))
        made[0].start()
        return made[0]

    yield start
    made[0].kill()


def pid_of(child: Child) -> int:
    assert child._process is not None
    return child._process.pid


def test_a_child_leads_a_session_of_its_own(child: Callable[[str], Child]) -> None:
    process = child("import time; time.sleep(60)")
    assert os.getsid(pid_of(process)) == pid_of(process)
    process.end(5, never)
    assert process.ending == "was ended by SIGTERM"


def test_one_that_ended_says_how(child: Callable[[str], Child]) -> None:
    process = child("raise SystemExit(3)")
    assert not process.succeeded
    eventually(lambda: not process.running)
    assert process.ending == "ended with status 3"
    process.end(5, never)  # harmless


def test_a_stubborn_one_is_asked_twice_then_killed(
    child: Callable[[str], Child], tmp_path: Path
) -> None:
    process = child(STUBBORN)
    heard = tmp_path / "heard"
    eventually(lambda: heard.exists() and "ready" in heard.read_text())
    process.end(0.3, lambda: heard.read_text().count("TERM") == 2)
    assert heard.read_text() == "ready TERM TERM "
    assert process.ending == "was ended by SIGKILL"


def test_a_kill_takes_the_whole_process_group(
    child: Callable[[str], Child], tmp_path: Path
) -> None:
    heard = tmp_path / "heard"
    process = child(
        "import os, pathlib, sys, time\n"
        "if (pid := os.fork()): pathlib.Path(sys.argv[1]).write_text(f'{pid}.')\n"
        "time.sleep(60)"
    )
    eventually(lambda: heard.exists() and heard.read_text().endswith("."))
    below = int(heard.read_text()[:-1])
    process.kill()
    eventually(lambda: not is_alive(below))


def test_a_kept_child_that_keeps_failing_waits_longer_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr("taskqueue_project.embedded.children.time.monotonic", lambda: now)
    said: list[str] = []
    command = [sys.executable, "-c", "raise SystemExit(1)"]
    process = KeptChild("worker", command, cwd=tmp_path, environment=os.environ)
    process.start()
    for delay in (1, 2, 4, 8, 16, 30, 30):
        assert process._process is not None
        process._process.wait(10)
        process.tend(said.append)
        process.tend(said.append)
        assert said.pop() == f"The worker ended with status 1; it starts again in {delay} s."
        assert said == []
        now += delay
        process.tend(said.append)
        assert process._start_at is None  # started
    process._process.wait(10)
    now += 61  # it ran well for a while
    process.tend(said.append)
    assert said == ["The worker ended with status 1; it starts again in 1 s."]
