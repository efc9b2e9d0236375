import { integer } from "../seeded_random.ts";
import type { Sending } from "./client.ts";
import { type Asked, type ListenerName, type Resource, resourcesOf, VARIANTS } from "./resources.ts";

/** Tokens of the closed listener. */
export const TOKENS = ["3f8c1d5be07a4c2f9d6b8a1e4c7f0d92", "a7d04e9b2c6f41583e8d7b90c1f2a645"] as const;

/** What a request tries. */
export type RequestKind = "get" | "head" | "range" | "condition" | "post" | "without-token" | "wrong-token" | "abort";

/** A request, and all that its answer has to be compared with. */
export interface Planned {
  readonly kind: RequestKind;
  readonly asked: Asked;
  /** First and last byte, with `range`. */
  readonly range: readonly [number, number] | null;
  /** The tag of what the client has, with `condition`. */
  readonly tag: string | null;
  /** Codings that it takes, besides none. */
  readonly coding: "gzip" | "br" | null;
  readonly sending: Sending;
}

/** Resources of each listener. */
export const RESOURCES = 150;

/** Which part of the requests goes to each listener, out of 100. */
const SHARES: readonly (readonly [ListenerName, number])[] = [
  ["api", 25],
  ["images", 15],
  ["site", 30],
  ["closed", 15],
  [
    "users",
    15,
  ],
];

/** A seeded stream of requests: by Zipf's law within each listener. */
export class Planner {
  readonly #random: () => number;
  readonly #resources: ReadonlyMap<ListenerName, readonly Resource[]>;
  readonly #weights: readonly number[];
  /** Tags that were seen last, by what was asked for: what a client's own cache has. */
  readonly #seen = new Map<string, string>();
  #posts = 0;

  constructor(random: () => number) {
    this.#random = random;
    this.#resources = new Map(SHARES.map(([name]) => [name, resourcesOf(name, RESOURCES)]));
    let sum = 0;
    this.#weights = Array.from({ length: RESOURCES }, (_, rank) => sum += 1 / (rank + 1));
  }

  /** The next request. */
  next(): Planned {
    const random = this.#random;
    const listener = this.#listener();
    const point = random() * this.#weights.at(-1)!;
    const found = this.#resources.get(listener)![this.#weights.findIndex((sum) => sum >= point)]!;
    const variant = found.vary === null ? "" : VARIANTS[integer(random, VARIANTS.length)]!;
    const asked = { resource: found, variant, user: found.isPrivate ? `user${integer(random, 12)}` : "" };
    const kind = this.#kind(found);
    const seen = this.#seen.get(keyOf(asked)) ?? null;
    const tag = kind === "condition" ? seen : null;
    const from = integer(random, found.sizeBytes - 1);
    const range = kind === "range" ? [from, from + integer(random, found.sizeBytes - from)] as const : null;
    const coding = listener === "api" && kind === "get" ? ([null, "gzip", "br"] as const)[integer(random, 3)]! : null;
    const id = kind === "post" ? `post-${++this.#posts}` : "";
    const leaves = kind === "abort" ? { leavesAfterBytes: integer(random, found.sizeBytes) } : {};
    const text = textOf({ kind, asked, range, tag, coding }, {
      id,
      user: integer(random, 12),
      token: integer(random, 2),
    });
    return { kind, asked, range, tag, coding, sending: { text, isHead: kind === "head", ...leaves } };
  }

  /** Keeps the tag of a response, as a client's cache does. */
  saw(asked: Asked, tag: string): void {
    this.#seen.set(keyOf(asked), tag);
  }

  #listener(): ListenerName {
    let left = this.#random() * 100;
    for (const [name, share] of SHARES) if ((left -= share) < 0) return name;
    return "site";
  }

  #kind({ listener, form }: Resource): RequestKind {
    const roll = this.#random() * 100;
    if (roll < 4) return "abort";
    if (roll < 7) return "head";
    if (roll < 14) return form === "json" ? "get" : "range";
    if (roll < 22) return "condition";
    if (listener === "site" && roll < 24) return "post";
    if (listener === "closed" && roll < 30) return roll < 28 ? "without-token" : "wrong-token";
    return "get";
  }
}

function keyOf({ resource: { listener, index }, variant, user }: Asked): string {
  return `${listener} ${index} ${variant} ${user}`;
}

function textOf(
  { kind, asked, range, tag, coding }: Omit<Planned, "sending">,
  { id, user, token }: { readonly id: string; readonly user: number; readonly token: number },
): string {
  const { resource: { listener, target, vary }, variant } = asked;
  const lines = ["host: chaos.test"];
  const method = kind === "head" ? "HEAD" : kind === "post" ? "POST" : "GET";
  if (vary !== null) lines.push(`${vary}: ${variant}`);
  if (range !== null) lines.push(`range: bytes=${range[0]}-${range[1]}`);
  if (tag !== null) lines.push(`if-none-match: ${tag}`);
  if (coding !== null) lines.push(`accept-encoding: ${coding}`);
  if (kind === "post") lines.push("content-type: text/plain", `content-length: ${id.length}`);
  if (listener === "closed" && kind !== "without-token") {
    lines.push(`x-usher-token: ${kind === "wrong-token" ? "0123456789abcdef0123456789abcdef" : TOKENS[token]}`);
  }
  // Of what belongs to nobody somebody asks all the same.
  if (listener === "users") lines.push(`authorization: Bearer ${asked.user || `user${user}`}`);
  const session = listener === "api" && asked.user !== "" ? `?session_id=${asked.user}` : "";
  return `${method} ${target}${session} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n${id}`;
}
