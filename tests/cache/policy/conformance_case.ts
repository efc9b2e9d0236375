import assert from "node:assert/strict";
import type { Fields } from "../../../lib/http/fields.ts";
import { formatHttpDate } from "../../../lib/http/http_date.ts";
import type { ScriptedExchange, ScriptedHandler } from "../../origins/scripted_origin.ts";
import { type InProcessGateway, sentField, withOrigin } from "../../pipeline/in_process_gateway.ts";

/** What an origin answers: a response, a cut connection, or an interim response first. */
export type Reply = "cut" | {
  readonly status?: number;
  /** A value that is a number is a date: seconds from now. */
  readonly fields?: ReadonlyArray<readonly [name: string, value: string | number]>;
  readonly body?: string;
  /** A whole interim response, sent before. */
  readonly interim?: string;
};

/** One request of a case, what the origin answers should it be asked, and what has to come of it. */
export interface Step {
  /** Seconds that pass before it. */
  readonly wait?: number;
  readonly method?: string;
  readonly target?: string;
  readonly headers?: ReadonlyArray<readonly [name: string, value: string | number]>;
  readonly reply?: Reply;
  /** `cache`: the origin was not asked; `origin`: it was; `validated`: it was, with a condition. */
  readonly from: "cache" | "origin" | "validated";
  /** 200 where nothing is said. */
  readonly status?: number;
  /** Fields that the client gets; `null` must not be there. */
  readonly fields?: Readonly<Record<string, string | RegExp | null>>;
  readonly body?: string;
  /** Fields that the origin got. */
  readonly sent?: Readonly<Record<string, string | null>>;
}

/** What a case is run with beside its steps. */
export interface CaseOptions {
  /** The listener's `cache:`, in place of `mode: rfc9111` and `set_cookie: store`. */
  readonly cache?: Readonly<Record<string, unknown>>;
}

/** One test of one requirement: the steps, one after the other, through a served gateway with a clock of its own. */
export function conformance(
  requirement: string,
  steps: readonly Step[],
  options: CaseOptions = {},
): Deno.TestDefinition {
  const cache = { mode: "rfc9111", client_cache_control: "obey", set_cookie: "store", ...options.cache };
  return { name: `conformance ${requirement}`, fn: run };

  async function run(): Promise<void> {
    let current: Step | undefined;
    let nowMs = 0;
    const handler: ScriptedHandler = (exchange) => answer(exchange, current?.reply ?? {}, nowMs);
    await withOrigin(handler, async (gateway, origin) => {
      const url = await gateway.serve();
      for (const [index, step] of steps.entries()) {
        gateway.clock.advance((step.wait ?? 0) * 1000);
        nowMs = gateway.clock.now();
        current = step;
        const before = origin.heads.length;
        const response = await request(url, step, gateway);
        const text = await response.text();
        await gateway.idle();
        const where = `step ${index + 1}`;
        assert.equal(response.status, step.status ?? 200, where);
        assert.equal(origin.heads.length > before, step.from !== "cache", `${where} is to come from ${step.from}`);
        if (step.from === "validated") {
          assert.ok((sentField(origin, "if-none-match") ?? sentField(origin, "if-modified-since")) !== null, where);
        }
        if (step.body !== undefined) assert.equal(text, step.body, where);
        for (const [name, value] of Object.entries(step.fields ?? {})) compare(response.headers.get(name), value, name);
        for (const [name, value] of Object.entries(step.sent ?? {})) assert.equal(sentField(origin, name), value, name);
      }
    }, { listeners: [{ name: "l", pool: "p", cache }] });
  }
}

function compare(actual: string | null, expected: string | RegExp | null, name: string): void {
  if (expected instanceof RegExp) assert.match(actual ?? "", expected, name);
  else assert.equal(actual, expected, name);
}

function request(url: string, step: Step, { clock }: InProcessGateway): Promise<Response> {
  const headers = new Headers();
  for (const [name, value] of step.headers ?? []) headers.append(name, dated(value, clock.now()));
  const { method = "GET", target = "/a" } = step;
  const body = method === "GET" || method === "HEAD" ? undefined : "sent";
  return fetch(url + target, { method, headers, body, redirect: "manual" });
}

async function answer(exchange: ScriptedExchange, reply: Reply, nowMs: number): Promise<void> {
  await exchange.body();
  if (reply === "cut") return exchange.reset();
  const { status = 200, fields = [], body = "body", interim } = reply;
  if (interim !== undefined) await exchange.write(`${interim}\r\n\r\n`);
  const lines = fields.map(([name, value]): [string, string] => [name, dated(value, nowMs)]);
  if (status !== 204 && status !== 304) return await exchange.reply({ status, fields: lines as Fields, body });
  await exchange.write([`HTTP/1.1 ${status} X`, ...lines.map((line) => line.join(": "))].join("\r\n") + "\r\n\r\n");
}

function dated(value: string | number, nowMs: number): string {
  return typeof value === "number" ? formatHttpDate(nowMs + value * 1000) : value;
}

/** A response that is fresh for a long time, with more fields. */
export function fresh(...more: [string, string | number][]): Reply {
  return { fields: [["cache-control", "max-age=3600"], ["date", 0], ...more] };
}
