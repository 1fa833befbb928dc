"use strict";
// pg-boss, in a loop of fetch and complete: its work() waits half a second at least between two batches.

const PgBossModule = require("pg-boss");
const { main, produce, stamp } = require("./common.js");

const PgBoss = PgBossModule.PgBoss ?? PgBossModule;
const BATCH = 200;
const boss = new PgBoss({ connectionString: process.env.DATABASE_URL, supervise: false, schedule: false });
boss.on("error", console.error);

async function noop() {}

main({
  async produce() {
    await boss.start();
    await produce({
      async install() {
        for (const name of ["noop", "stamp", "backlog"]) {
          await boss.createQueue(name);
        }
      },
      many: (count) => boss.insert(Array.from({ length: count }, () => ({ name: "noop" }))),
      one: (ledger, key) => boss.send("stamp", { ledger, key }),
    });
    await boss.stop();
  },
  async drain() {
    await boss.start();
    for (;;) {
      const jobs = await boss.fetch("noop", { batchSize: BATCH });
      if (!jobs.length) {
        break;
      }
      await noop(jobs);
      await boss.complete("noop", jobs.map((job) => job.id));
    }
    await boss.stop();
  },
  async work() {
    await boss.start();
    await boss.work("stamp", { pollingIntervalSeconds: 0.5 }, async (jobs) => jobs.forEach((job) => stamp(job.data)));
    await new Promise((resolve) => process.on("SIGTERM", resolve));
    await boss.stop({ graceful: true });
  },
});
