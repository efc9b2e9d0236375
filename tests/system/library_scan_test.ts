import assert from "node:assert/strict";
import { scanDirectly, scanTwice } from "../library_scan/library_scan.ts";
import { scanWithMoviedbPromise } from "../library_scan/moviedb_scan.ts";
import { readPage, scanTable } from "../library_scan/report.ts";
import type { Scan } from "../library_scan/scanned.ts";
import { scanWithTmdbsimple, tmdbsimpleProblem } from "../library_scan/tmdbsimple_scan.ts";
import { ALL_CLASSES, PRIVATE_CLASSES } from "../library_scan/traffic.ts";

/** Scans the library with a client, and holds what came to the origin against what had to. */
async function checkScan(scan: Scan): Promise<void> {
  const direct = await scanDirectly(scan);
  const scanned = await scanTwice(scan);
  const { cold, warm } = scanned;
  for (const run of [cold, warm]) {
    assert.deepEqual(
      run.statuses,
      [200, 201].filter((status) => run.statuses.includes(status)),
      "no client saw an error",
    );
    assert.deepEqual(run.private, direct.private, "users' requests and writes come as they were sent");
    assert.equal(run.pictureBytes, direct.pictureBytes);
  }
  assert.deepEqual(warm.client, cold.client);
  assert.deepEqual(cold.origin, cold.client, "nothing of the cold run was stored before");
  for (const name of ALL_CLASSES) {
    assert.ok(cold.client[name]! > 0, name);
    assert.equal(warm.origin[name], PRIVATE_CLASSES.includes(name) ? warm.client[name] : 0, name);
  }
  const hint = "docs/library-scan.md is out of date: run `deno task library-scan`";
  assert.ok((await readPage()).includes(scanTable(scanned)), hint);
}

Deno.test("a library scan by moviedb-promise reaches the origin only for what must not be cached, once the gateway is warm", () =>
  checkScan(scanWithMoviedbPromise));

const problem = await tmdbsimpleProblem();

Deno.test({
  name: `a library scan by tmdbsimple reaches the origin only for what must not be cached, once the gateway is warm${
    problem === null ? "" : ` (left out: ${problem})`
  }`,
  ignore: problem !== null,
  fn: () => checkScan(scanWithTmdbsimple),
});
