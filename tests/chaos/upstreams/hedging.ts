import { startPoolGateway } from "../../system/pool_gateway.ts";
import { type Measured, measureLoad } from "./measure.ts";
import { startChaosOrigin } from "./origins.ts";

/** What hedging does where one of two upstreams stalls on 5 % of its requests. */
export interface HedgingRow extends Measured {
  readonly hedge: string;
  /** Requests at both upstreams beyond one for each that clients sent. */
  readonly extra: number;
}

const LENGTH_MS = 10_000;

/** Measures the same load without and with hedging. */
export async function measureHedging(): Promise<HedgingRow[]> {
  const rows: HedgingRow[] = [];
  for (const hedge of [null, { after: "p95", max_extra: "5%" }, { after: "100ms", max_extra: "5%" }]) {
    rows.push(await measureOne(hedge));
  }
  return rows;
}

async function measureOne(hedge: { after: string; max_extra: string } | null): Promise<HedgingRow> {
  await using stack = new AsyncDisposableStack();
  const origins = [
    stack.adopt(await startChaosOrigin(), (origin) => origin.close()),
    stack.adopt(await startChaosOrigin(), (origin) => origin.close()),
  ];
  const pool = { strategy: "round-robin", health: false, upstreams: origins.map(({ url }) => url) };
  const gateway = stack.adopt(
    await startPoolGateway(hedge === null ? pool : { ...pool, hedge }, { server: { workers: 1 } }),
    (running) => running.close(),
  );
  const load = { url: gateway.url, connections: 8, pauseMs: 10 };
  // The 95th percentile is known, and the program warm, before it is measured.
  await measureLoad({ ...load, prefix: "/warm", untilMs: performance.now() + 2_000 });
  for (const [index, origin] of origins.entries()) await origin.mode(index === 0 ? "stall-5" : "well");
  const measured = await measureLoad({ ...load, prefix: "/hedged", untilMs: performance.now() + LENGTH_MS });
  const counts = await Promise.all(origins.map((origin) => origin.count()));
  const extra = (counts.reduce((sum, count) => sum + count, 0) - measured.sent) / measured.sent;
  return { ...measured, hedge: hedge === null ? "off" : `after ${hedge.after}`, extra };
}
