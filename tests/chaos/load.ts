import type { Field } from "../../lib/http/fields.ts";
import { ChaosClient, type Got } from "./client.ts";
import { judge, keptTag, type Verdict } from "./judge.ts";
import type { Planned, Planner } from "./plan.ts";
import { POOL_OF, type Resource } from "./resources.ts";
import type { Timeline } from "./timeline.ts";

/** A wrong response, with what it takes to see it again. */
export interface Wrong {
  readonly atMs: number;
  readonly what: string;
  readonly detail: string;
  readonly request: string;
  readonly status: number;
  readonly fields: readonly Field[];
}

/** Counts of a run, by kind. */
export interface Tally {
  sent: number;
  checked: number;
  readonly right: Map<string, number>;
  /** By fault and what was lost: `fault: excuse`. */
  readonly lost: Map<string, number>;
  readonly wrong: Map<string, number>;
  readonly samples: Wrong[];
  readonly timesMs: number[];
}

/** How much load there is. */
export interface LoadOptions {
  readonly port: number;
  readonly planner: Planner;
  readonly timeline: Timeline;
  readonly connections: number;
  /** Requests per second of all connections together, at most. */
  readonly rate: number;
  /** Told of what is wrong as soon as it is seen. */
  readonly said: (line: string) => void;
}

/** Wrong responses that are kept whole. */
const MAX_SAMPLES = 60;
/** What a process that ends does to its requests. */
const OF_THE_PROCESS: ReadonlySet<string> = new Set(["no answer", "breaks off"]);
const AGAIN_MS = 5_000;
/** So often a connection is given up, so that other workers get to serve its client. */
const RECONNECT_SHARE = 0.05;

/** A load that checks every response. */
export class CheckedLoad {
  readonly tally: Tally = {
    sent: 0,
    checked: 0,
    right: new Map(),
    lost: new Map(),
    wrong: new Map(),
    samples: [],
    timesMs: [],
  };
  readonly #options: LoadOptions;
  readonly #done: Promise<unknown>;
  #isStopped = false;

  constructor(options: LoadOptions) {
    this.#options = options;
    this.#done = Promise.all(Array.from({ length: options.connections }, (_, index) => this.#run(index)));
  }

  async stop(): Promise<Tally> {
    this.#isStopped = true;
    await this.#done;
    return this.tally;
  }

  async #run(index: number): Promise<void> {
    const { port, connections, rate } = this.#options;
    const client = new ChaosClient(port);
    const gapMs = 1000 * connections / rate;
    await new Promise((resolve) => setTimeout(resolve, gapMs * index / connections));
    for (let turn = 0, dueMs = Date.now(); !this.#isStopped; turn++) {
      await this.#one(client);
      if (turn % Math.round(1 / RECONNECT_SHARE) === index % 20) client.close();
      // What an outage has held up is not made up for.
      dueMs = Math.max(dueMs + gapMs, Date.now() - gapMs);
      await new Promise((resolve) => setTimeout(resolve, Math.max(1, dueMs - Date.now())));
    }
    client.close();
  }

  async #one(client: ChaosClient): Promise<void> {
    const { planner, timeline } = this.#options;
    const planned = planner.next();
    this.tally.sent++;
    const got = await client.ask(planned.sending, planned.kind !== "post");
    let verdict = judge(planned, got, timeline);
    if (verdict.is === "wrong" && OF_THE_PROCESS.has(verdict.what)) {
      // Whether the process has ended may be known a moment later.
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
      verdict = judge(planned, got, timeline);
    }
    if (planned.kind === "post" && got.status === 200) timeline.remove(invalidation(planned.asked.resource, got));
    const tag = planned.kind === "get" && got.loss === null ? keptTag(planned.asked, got) : null;
    if (tag !== null) planner.saw(planned.asked, tag);
    this.#count(planned, got, verdict);
  }

  #count(planned: Planned, got: Got, verdict: Verdict): void {
    const { tally } = this;
    if (got.status > 0) tally.checked++;
    if (verdict.is === "right") {
      tally.timesMs.push(got.endedMs - got.sentMs);
      if (tally.timesMs.length > 200_000) tally.timesMs.splice(0, 100_000);
      return add(tally.right, verdict.what);
    }
    if (verdict.is === "lost") return add(tally.lost, `${verdict.fault}: ${verdict.what}`);
    add(tally.wrong, verdict.what);
    if (tally.samples.length >= MAX_SAMPLES) return;
    this.#options.said(`! ${verdict.what}: ${planned.asked.resource.target}, ${verdict.detail}`);
    const { resource: { listener } } = planned.asked;
    tally.samples.push({
      atMs: got.sentMs,
      what: verdict.what,
      detail: `${listener} (pool ${POOL_OF[listener]}), ${got.endedMs - got.sentMs} ms: ${verdict.detail}`,
      request: planned.sending.text,
      status: got.status,
      fields: got.fields,
    });
  }
}

function add(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}

/** An unsafe request that succeeded invalidates its URL in all variants (RFC 9111 §4.4); it is kept in memory alone. */
function invalidation(resource: Resource, { sentMs, endedMs }: Got) {
  const { listener, index } = resource;
  const what = (other: Resource) => other.listener === listener && other.index === index;
  return { what, askedMs: sentMs, answeredMs: endedMs, isPersisted: false };
}
