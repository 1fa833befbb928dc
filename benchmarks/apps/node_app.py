"""A producer whose calls are made by a node program, told them a line each: `one` costs a turn over two pipes more."""

from __future__ import annotations

import json
import subprocess
import sys

from benchmarks.apps import producer


class Node:
    def __init__(self, program: str) -> None:
        self._process = subprocess.Popen(
            ["node", program, "produce"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def _call(self, *words: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(words), file=self._process.stdin, flush=True)
        if (answer := self._process.stdout.readline()) != "done\n":
            raise SystemExit(f"node answered {answer!r}")

    def install(self) -> None:
        self._call("install")

    def many(self, count: int) -> None:
        self._call("many", count)

    def one(self, ledger: str, key: int) -> None:
        self._call("one", ledger, key)

    def close(self) -> None:
        self._process.communicate(timeout=20)


if __name__ == "__main__":
    node = Node(sys.argv.pop(1))
    producer.main(node)
    node.close()
