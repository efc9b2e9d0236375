import assert from "node:assert/strict";
import { createLogger } from "../../../lib/logging/logger.ts";
import { DiskTaker } from "../../../lib/workers/supervisor/disk_taker.ts";
import { type Predecessor, takeOver, takeOverTurn } from "../../../lib/workers/supervisor/take_over.ts";

/** A logger, and the lines that it wrote, without the time. */
function logging() {
  const lines: string[] = [];
  const sink = (line: string) => void lines.push(line.trim().slice(25));
  return { lines, logger: createLogger({ level: "info", format: "text", sink, now: () => 0 }) };
}

const admin = { hostname: "127.0.0.1", port: 6636 };

Deno.test("takeOver() goes on where the predecessor has ended meanwhile, and not where it refuses", async () => {
  const order: string[] = [];
  const fleet = { takeSockets: () => Promise.resolve(void order.push("sockets")) };
  const take = async (handOver: Predecessor["handOver"]) => {
    const { lines, logger } = logging();
    const waitMs = await takeOver({ pid: 7, held: [admin], admin, handOver }, fleet, logger);
    return [waitMs, ...lines];
  };
  const begun = "INFO  Taking over from the gateway that runs pid=7";
  assert.deepEqual(await take(() => Promise.resolve(null)), [10_000, begun]);
  const silent = await take(() => Promise.resolve("No gateway answers"));
  assert.deepEqual(silent, [
    10_000,
    begun,
    'WARN  That gateway has ended, or does not answer problem="No gateway answers"',
  ]);
  await assert.rejects(take(() => Promise.reject(new Error("refused"))), /refused/);
  assert.equal(order.length, 3);
});

Deno.test("takeOverTurn() is had by one at a time, and needs no folder", async () => {
  const folder = await Deno.makeTempDir();
  try {
    takeOverTurn(`${folder}/none`)();
    const end = takeOverTurn(folder);
    assert.throws(() => takeOverTurn(folder), /another process is doing so right now/);
    end();
    end();
    takeOverTurn(folder)();
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("DiskTaker.taken() says that the file is not free when it has waited in vain", async () => {
  const { lines, logger } = logging();
  const freed = Promise.withResolvers<null>();
  const taker = new DiskTaker({
    kvFile: { path: null, problem: "another gateway uses it", setAside: null },
    kvFreed: (signal) => (signal.addEventListener("abort", () => freed.resolve(null)), freed.promise),
    take: () => Promise.resolve(),
    logger,
  });
  taker.begin();
  await taker.taken(0);
  assert.deepEqual(lines, []);
  await taker.taken(1);
  assert.deepEqual(lines, [
    'WARN  The disk cache is not free yet: serving from memory alone until it is problem="another gateway uses it"',
  ]);
  await taker.close();
});
