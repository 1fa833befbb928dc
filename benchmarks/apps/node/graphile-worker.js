"use strict";
// Graphile Worker, with the batching that its page on performance advises.

const { Logger, makeWorkerUtils, run, runOnce } = require("graphile-worker");
const { Tally, main, produce, stamp } = require("./common.js");

const options = {
  logger: new Logger(() => () => {}),
  preset: {
    worker: {
      connectionString: process.env.DATABASE_URL,
      concurrentJobs: 24,
      maxPoolSize: 25,
      localQueue: { size: 500 },
      completeJobBatchDelay: 0,
      failJobBatchDelay: 0,
    },
  },
};
const tally = new Tally();
const taskList = {
  noop: () => tally.note(),
  stamp: (payload) => stamp(payload),
};

main({
  async produce() {
    const utils = await makeWorkerUtils(options);
    await produce({
      install: () => utils.migrate(),
      many: (count) => utils.addJobs(Array.from({ length: count }, () => ({ identifier: "noop", payload: {} }))),
      one: (ledger, key) => utils.addJob("stamp", { ledger, key }),
    });
    await utils.release();
  },
  async drain() {
    await runOnce({ ...options, taskList });
    tally.write();
  },
  async work() {
    const runner = await run({ ...options, taskList });
    await runner.promise;
  },
});
