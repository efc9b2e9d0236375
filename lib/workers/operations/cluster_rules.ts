import { z } from "zod";
import type { PurgeRule } from "../../cache/purge/purge_rules.ts";

const listener = z.string().nullable();
const text = z.string().max(8_192);

/** A purge as it goes to other gateways; each gives it the time at which it learns of it. */
const sentRule = z.object({
  id: z.string().max(600),
  soft: z.boolean(),
  /** Of one that has a place already: the engine had lost it. */
  position: z.int().min(1).optional(),
  scope: z.discriminatedUnion("kind", [
    z.object({ kind: z.literal("url"), listener, target: text }),
    z.object({ kind: z.literal("prefix"), listener, prefix: text }),
    z.object({ kind: z.literal("glob"), listener, pattern: text, base: text.optional() }),
    z.object({ kind: z.literal("tag"), listener, tag: text }),
    z.object({ kind: z.literal("tags"), listener, tags: z.array(text).max(1_000) }),
    z.object({ kind: z.literal("all"), listener }),
  ]),
});

/** A purge that has no place among the others yet. */
export type DraftRule = Pick<PurgeRule, "id" | "scope" | "soft">;

/** A purge that is sent. */
export type SentRule = DraftRule & Partial<Pick<PurgeRule, "position">>;

/** What an unsafe request has changed, for every gateway. */
export interface ChangedTargets {
  /** Keys of the targets; only their first three parts count. */
  readonly keys: readonly string[];
  /** Tags of a type of upstream, on all its listeners. */
  readonly written: { readonly type: string; readonly tags: readonly string[] } | null;
}

const changedTargets = z.object({
  keys: z.array(z.string().max(20_000)).max(1_000),
  written: z.object({ type: z.string().max(64), tags: z.array(text).max(128) }).nullable(),
});

/** The purges of a message; a rule of a later version's form is left out, and counted. */
export function readRules(data: unknown): { readonly rules: readonly SentRule[]; readonly unread: number } {
  const list = Array.isArray(data) ? data : [];
  const read = list.map((rule) => sentRule.safeParse(rule));
  const rules = read.flatMap(({ data: rule }) => rule === undefined ? [] : [rule as SentRule]);
  return { rules, unread: list.length - rules.length };
}

/** What has changed, by a message; `null` where it cannot be read. */
export function readChanged(data: unknown): ChangedTargets | null {
  return changedTargets.safeParse(data).data ?? null;
}

/** Rules in as many messages as they need. */
export function inMessages(rules: readonly SentRule[]): (readonly SentRule[])[] {
  const messages: SentRule[][] = [[]];
  let length = 0;
  for (const rule of rules) {
    const more = JSON.stringify(rule).length;
    if (length + more > MAX_LENGTH && length > 0) {
      messages.push([]);
      length = 0;
    }
    messages.at(-1)!.push(rule);
    length += more;
  }
  return messages.filter((message) => message.length > 0);
}

/** UTF-16 units of JSON: three bytes each at most fit into one message. */
const MAX_LENGTH = 256 * 1024;
