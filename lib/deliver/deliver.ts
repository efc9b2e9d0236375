import type { Answer } from "../request/answer.ts";
import type { Exchange } from "../request/exchange.ts";
import type { Tenant } from "../request/snapshot.ts";
import type { Reply } from "../server/reply.ts";
import { changeDocument } from "./change_document.ts";
import { chooseCoding } from "./choose_coding.ts";
import { choosePicture } from "./choose_picture.ts";
import { checkConditions, cutRange } from "./conditions.ts";
import { replyOf } from "./reply_of.ts";
import { endLifetime, replaceError } from "./sent_fields.ts";

/** One step of delivery: returns the same answer, or another in its place. */
export interface Step {
  readonly name: string;
  /** Whether it may change answers of a listener; elsewhere it returns every answer unchanged. */
  readonly concerns: (tenant: Tenant) => boolean;
  readonly apply: (exchange: Exchange, answer: Answer) => Answer | Promise<Answer>;
}

/** The steps that every answer takes, in this order. After them only fields are changed: by rules and by the listener. */
export const STEPS: readonly Step[] = [
  { name: "lifetime", concerns: ({ policy }) => policy !== null, apply: endLifetime },
  { name: "document", concerns: ({ rewriting }) => rewriting !== null, apply: changeDocument },
  { name: "picture", concerns: ({ images }) => images !== null, apply: choosePicture },
  { name: "coding", concerns: ({ storing }) => storing.compress !== null, apply: chooseCoding },
  { name: "conditions", concerns: () => true, apply: checkConditions },
  { name: "range", concerns: () => true, apply: cutRange },
  { name: "rules", concerns: ({ rules }) => rules !== null, apply: replaceError },
];

/**
 * The only way from an answer to a reply: through {@linkcode STEPS}. Returns no promise where no step has to wait, as for a response in
 * memory. An upstream's answer of which no reply can be made is released.
 */
export function deliver(exchange: Exchange, answer: Answer): Reply | Promise<Reply> {
  try {
    let current = answer;
    for (let at = 0; at < STEPS.length; at++) {
      const next = STEPS[at]!.apply(exchange, current);
      if (next instanceof Promise) return deliverLate(exchange, next, at + 1);
      current = next;
    }
    return replyOf(exchange, current);
  } catch (error) {
    // No step waits with a streaming answer, so that `deliverLate` has none to release.
    if (answer.kind === "streaming") answer.onLeave();
    throw error;
  }
}

async function deliverLate(exchange: Exchange, answer: Promise<Answer>, from: number): Promise<Reply> {
  let current = await answer;
  for (const step of STEPS.slice(from)) current = await step.apply(exchange, current);
  return replyOf(exchange, current);
}
