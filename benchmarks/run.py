"""`make bench`: every benchmark, ours and the peers' in turn. Prints a table as it goes; var/bench/latest.json at the end."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

sys.path[0] = str(Path(__file__).resolve().parent.parent)  # the project, not this directory

from benchmarks import (  # noqa: E402
    beside,
    bulk,
    cluster,
    drain,
    install,
    latency,
    machine,
    peers,
    pickup,
    profile,
    single,
    soak,
    systems,
)
from benchmarks.bench import Bench, say  # noqa: E402
from benchmarks.children import ROOT, MeasurementError  # noqa: E402
from benchmarks.report import Table  # noqa: E402
from benchmarks.systems import System  # noqa: E402

DIRECTORY = ROOT / "var" / "bench"
USUAL: dict[str, Callable[[Bench], Table]] = {
    "drain": drain.run,
    "bulk": bulk.run,
    "single": single.run,
    "pickup": pickup.run,
}
LONG: dict[str, Callable[[Bench], Table]] = {**dict(beside.benchmarks()), "latency": latency.run}
BENCHMARKS = {**USUAL, **LONG, "soak": soak.run}


def main() -> None:
    given = _arguments()
    signal.signal(signal.SIGTERM, _interrupt)  # so that everything started is ended
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    compared = [systems.taskqueue(), *_peers(given.peers)]
    facts = machine.describe()
    versions = {system.name: dict(system.versions) for system in compared}
    for name, value in {**facts, **versions, "load": f"{machine.load():.2f}"}.items():
        say(f"{name}: {value}")
    if machine.load() > 0.5:
        say("The machine is busy with something else: these figures will be too low.")
    with ExitStack() as stack:
        postgres = stack.enter_context(cluster.started(DIRECTORY))
        settings = postgres.settings()
        say(f"postgresql: {settings}")
        on_valkey = any(system.is_on_valkey for system in compared)
        valkey = stack.enter_context(cluster.valkey(DIRECTORY)) if on_valkey else None
        bench = Bench(
            postgres, valkey, compared, DIRECTORY, given.rounds, given.quick, given.minutes
        )
        tables, failed = _run(bench, given.only)
        if given.profile:
            profile.run(bench)
    _write(tables, {**facts, "postgresql": settings, "versions": versions, "quick": given.quick})
    say("\n" + "\n".join(table.markdown() for table in tables))
    sys.exit(f"Failed: {', '.join(failed)}." if failed else 0)


def _run(bench: Bench, names: list[str]) -> tuple[list[Table], list[str]]:
    for system in bench.systems:
        bench.install(system)
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


def _peers(names: list[str]) -> list[System]:
    found = []
    for name in names:
        try:
            found.append(peers.MAKERS[name](DIRECTORY / "peers" / name))
        except install.NotInstalled as error:
            say(f"{name} is not measured: it could not be installed: {error}")
    return found


def _write(tables: list[Table], facts: dict[str, object]) -> None:
    report = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        **facts,
        "tables": [table.json() for table in tables],
    }
    (DIRECTORY / "latest.json").write_text(json.dumps(report, indent=1) + "\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="a tenth of everything and one round: does it work?"
    )
    parser.add_argument(
        "--rounds", type=int, help="of each measurement (default: 3; 1 with --quick)"
    )
    parser.add_argument(
        "--only", nargs="*", choices=BENCHMARKS, metavar="NAME", help=", ".join(BENCHMARKS)
    )
    parser.add_argument("--long", action="store_true", help=f"also {', '.join(LONG)}")
    parser.add_argument("--minutes", type=float, default=30.0, help="of --only soak (default: 30)")
    parser.add_argument(
        "--peers",
        type=_names,
        default=list(peers.DEFAULT),
        help=f"comma-separated; empty for none (known: {', '.join(peers.MAKERS)})",
    )
    parser.add_argument(
        "--profile", action="store_true", help="also write var/bench/profile.txt, by py-spy"
    )
    given = parser.parse_args()
    given.rounds = given.rounds or (1 if given.quick else 3)
    if given.only is None:
        given.only = [*USUAL, *(LONG if given.long else ())]
    return given


def _names(text: str) -> list[str]:
    names = [name for name in text.split(",") if name]
    for name in names:
        if name not in peers.MAKERS:
            raise argparse.ArgumentTypeError(f"{name!r}: known are {', '.join(peers.MAKERS)}")
    return names


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
