import { KEY_SEPARATOR } from "../cache/key.ts";
import { evaluate } from "../cache/policy/policy.ts";
import { storable } from "../cache/policy/storable.ts";
import type { StoredResponse } from "../cache/stored_response.ts";
import type { UpstreamAnswer } from "../forward/attempt.ts";
import { rangeApplies } from "../http/conditional.ts";
import { type ByteRange, parseRange } from "../http/ranges.ts";
import type { Exchange } from "../request/exchange.ts";
import { BoundedCopy } from "../request/gathered_body.ts";
import { storedHead } from "./store_response.ts";

/** The key of a target's stored partial response (RFC 9111 §3.3); the whole, and its variants, have other keys. */
export function partialKey(primaryKey: string): string {
  return `${primaryKey}${KEY_SEPARATOR}~part`;
}

/** The response to a range request, made of a stored partial response; `null` where that does not cover it. */
export function fromPartial(exchange: Exchange, stored: StoredResponse): StoredResponse | null {
  if (exchange.services.invalidations.since(exchange.key, stored.requestTimeMs)) return null;
  const { selectedBy } = stored;
  const part = stored.with({ selectedBy: [] });
  const context = { options: exchange.tenant.policy!, nowMs: exchange.services.clock.now() };
  if (evaluate(exchange, part, context).kind !== "hit" || !rangeApplies(exchange.header("if-range"), part)) return null;
  const asked = exchange.header("range")!;
  // The same `Range` gets the same response; another one a range that lies within.
  if (selectedBy.some(([name, value]) => name === "range" && value === asked)) return part;
  return cutOut(part, asked);
}

const CONTENT_RANGE = /^bytes (\d+)-(\d+)\/(\d+|\*)$/;

/** A range that lies within a partial response; `null` where some of it does not. */
function cutOut(part: StoredResponse, asked: string): StoredResponse | null {
  const [, from = "", , total = "*"] = CONTENT_RANGE.exec(part.field("content-range") ?? "") ?? [];
  const first = Number(from);
  const range = onlyRange(asked, total === "*" ? Infinity : Number(total));
  // The bytes that came count, not those that Content-Range announced.
  if (from === "" || range === null || range.first < first || range.last >= first + part.body.byteLength) return null;
  const body = part.body.subarray(range.first - first, range.last - first + 1);
  const fields = part.fields.filter(([name]) => name !== "content-range");
  fields.push(["content-range", `bytes ${range.first}-${range.last}/${total}`]);
  return part.with({ fields, body });
}

function onlyRange(asked: string, lengthBytes: number): ByteRange | null {
  const parsed = parseRange(asked, lengthBytes);
  return parsed.kind === "ranges" && parsed.ranges.length === 1 ? parsed.ranges[0]! : null;
}

/** Reads an answer's body and keeps a copy of it. */
export interface PartialCopy {
  readonly read: () => Promise<Uint8Array | null>;
  /** The body has ended, or broken off. */
  readonly onEnd: (isWhole: boolean) => void;
}

/** Copies the answer to a range request while it is sent, to store it; `null` where it is not to be stored (RFC 9111 §3.3). */
export function storePartial(exchange: Exchange, answer: UpstreamAnswer): PartialCopy | null {
  const { response } = answer;
  const { lengthBytes } = response.body;
  const { settings, budget, store, invalidations, collapse } = exchange.services;
  if (response.status !== 206 || lengthBytes === null || lengthBytes > settings.maxEntryBytes) return null;
  const { times } = answer;
  const decision = storable({ request: exchange, head: response, times, options: exchange.tenant.policy! });
  // Partial responses of several variants would need a key for each, and are seldom asked for.
  if (!decision.store || decision.selectedBy.length !== 1 || !budget.reserve(lengthBytes, exchange.tenant.name)) {
    return null;
  }
  const copy = new BoundedCopy(lengthBytes);
  return {
    async read() {
      const chunk = await response.body.read();
      copy.add(chunk);
      return chunk;
    },
    onEnd(isWhole) {
      budget.release(lengthBytes, exchange.tenant.name);
      const body = isWhole ? copy.whole() : null;
      if (body === null || invalidations.since(exchange.key, answer.requestTimeMs)) return;
      const head = storedHead(exchange, { answer, decision }, body.byteLength);
      const stored = head.with({ key: partialKey(exchange.key), kind: "part" }).withBody(body);
      store.put(stored);
      // Until the disk tier has it, other workers find it here.
      const entry = collapse.enter(stored.key);
      if (entry.role === "leader") collapse.finish(entry.flight, stored);
    },
  };
}
