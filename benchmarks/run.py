"""`make bench`: every benchmark, ours and the peers' in turn. Prints a table as it goes; var/bench/latest.json at the end."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

sys.path[0] = str(Path(__file__).resolve().parent.parent)  # the project, not this directory

from benchmarks import bulk, drain, machine, pickup, single, systems  # noqa: E402
from benchmarks.bench import Bench, say  # noqa: E402
from benchmarks.children import ROOT, MeasurementError  # noqa: E402
from benchmarks.cluster import Cluster, started  # noqa: E402
from benchmarks.report import Table  # noqa: E402
from benchmarks.systems import System  # noqa: E402

DIRECTORY = ROOT / "var" / "bench"
BENCHMARKS: dict[str, Callable[[Bench], Table]] = {
    "drain": drain.run,
    "bulk": bulk.run,
    "single": single.run,
    "pickup": pickup.run,
    "deep": drain.run_deep,
}


def main() -> None:
    given = _arguments()
    signal.signal(signal.SIGTERM, _interrupt)  # so that everything started is ended
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    compared = [systems.taskqueue(), *_peers(given.peers)]
    facts = machine.describe()
    versions = {system.name: system.versions() for system in compared}
    for name, value in {**facts, **versions, "load": f"{machine.load():.2f}"}.items():
        say(f"{name}: {value}")
    if machine.load() > 0.5:
        say("The machine is busy with something else: these figures will be too low.")
    with started(DIRECTORY) as cluster:
        settings = cluster.settings()
        say(f"postgresql: {settings}")
        bench = Bench(cluster, compared, DIRECTORY, given.rounds, given.quick)
        tables, failed = _run(bench, given.only)
    _write(tables, {**facts, "postgresql": settings, "versions": versions, "quick": given.quick})
    say("\n" + "\n".join(table.markdown() for table in tables))
    sys.exit(f"Failed: {', '.join(failed)}." if failed else 0)


def _run(bench: Bench, names: list[str]) -> tuple[list[Table], list[str]]:
    for system in bench.systems:
        _install(bench.cluster, bench, system)
    tables = []
    failed = []
    for name in names:
        say(f"\n{name} (load {machine.load():.2f})")
        began = time.monotonic()
        try:
            tables.append(BENCHMARKS[name](bench))
        except MeasurementError as error:
            failed.append(name)
            say(f"  failed: {error}")
            continue
        say(f"  took {time.monotonic() - began:.0f} s")
    return tables, failed


def _install(cluster: Cluster, bench: Bench, system: System) -> None:
    cluster.create(system.database)
    bench.produce(system, "install")


def _peers(names: list[str]) -> list[System]:
    python = systems.install_peers(DIRECTORY / "venv-peers") if names else None
    return [systems.MAKERS[name](python) for name in names] if python else []


def _write(tables: list[Table], facts: dict[str, object]) -> None:
    report = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        **facts,
        "tables": [table.json() for table in tables],
    }
    (DIRECTORY / "latest.json").write_text(json.dumps(report, indent=1) + "\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the tasks and one round")
    parser.add_argument(
        "--rounds", type=int, help="of each measurement (default: 3; 1 with --quick)"
    )
    parser.add_argument(
        "--only", nargs="+", choices=BENCHMARKS, metavar="NAME", help=", ".join(BENCHMARKS)
    )
    parser.add_argument("--deep", action="store_true", help="also beside a million waiting tasks")
    parser.add_argument(
        "--peers", type=_names, default=list(systems.PEERS), help="comma-separated; empty for none"
    )
    given = parser.parse_args()
    given.rounds = given.rounds or (1 if given.quick else 3)
    given.only = given.only or [name for name in BENCHMARKS if name != "deep" or given.deep]
    return given


def _names(text: str) -> list[str]:
    names = [name for name in text.split(",") if name]
    for name in names:
        if name not in systems.MAKERS:
            raise argparse.ArgumentTypeError(f"{name!r}: known are {', '.join(systems.PEERS)}")
    return names


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
