"""pgqueuer's worker by its own `pgqueuer.run` on uvloop: its command line fails with the typer of today."""

from __future__ import annotations

import argparse

import pgqueuer
import uvloop
from pgqueuer.types import QueueExecutionMode

from benchmarks.apps.pgqueuer_app import worker


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--batch-size", type=int, default=10)
    parser.add_argument("--mode", choices=["continuous", "drain"], default="continuous")
    given = parser.parse_args()
    uvloop.run(
        pgqueuer.run(worker, batch_size=given.batch_size, mode=QueueExecutionMode[given.mode])
    )


if __name__ == "__main__":
    main()
