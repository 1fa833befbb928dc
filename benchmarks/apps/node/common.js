"use strict";
// What the node programs share: lines of a producer, notes of the time, and a tally (see stamping.py and tally.py).

const fs = require("node:fs");
const path = require("node:path");
const readline = require("node:readline");
const { performance } = require("node:perf_hooks");

function now() {
  return BigInt(Math.round((performance.timeOrigin + performance.now()) * 1e3)) * 1000n;
}

function stamp({ ledger, key }) {
  fs.appendFileSync(ledger, `${key} ${now()}\n`);
}

class Tally {
  constructor() {
    this.count = 0n;
    this.file = path.join(process.env.TALLY, String(process.pid));
  }

  note() {
    this.last = now();
    this.first ??= this.last;
    this.count += 1n;
  }

  write() {
    if (this.count) {
      fs.writeFileSync(this.file, Buffer.from(BigInt64Array.of(this.count, this.first, this.last).buffer));
    }
  }
}

// Answers each line on standard input, ["name", argument, ...], with "done".
async function produce(calls) {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const [name, ...given] = JSON.parse(line);
    await calls[name](...given);
    process.stdout.write("done\n");
  }
}

// Runs the command that was given: a function that ends when its work is done.
function main(commands) {
  commands[process.argv[2]]().then(
    () => process.exit(0),
    (error) => {
      console.error(error);
      process.exit(1);
    },
  );
}

module.exports = { Tally, main, produce, stamp };
