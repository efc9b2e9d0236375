import { integer } from "../seeded_random.ts";
import type { World } from "./fault.ts";
import { RESOURCES } from "./plan.ts";
import { type ListenerName, type Resource, resource } from "./resources.ts";

const LISTENERS: readonly ListenerName[] = ["api", "images", "site", "closed", "users"];

/** Removes something stored, in one of the ways of the admin address, and keeps in mind what may not be served any more. */
export async function purgeSomething({ gateway, timeline, random }: World, counts: Map<string, number>): Promise<void> {
  const { body, what } = order(random);
  const askedMs = Date.now();
  const answer = await gateway.admin("/purge", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ ...body, hard: true }),
  });
  const kind = Object.keys(body)[0]!;
  if (answer?.status !== 200) return void counts.set("refused", (counts.get("refused") ?? 0) + 1);
  const { persisted } = JSON.parse(answer.text);
  counts.set(kind, (counts.get(kind) ?? 0) + 1);
  timeline.remove({ what, askedMs, answeredMs: Date.now(), isPersisted: persisted === true });
}

function order(
  random: () => number,
): { readonly body: Record<string, unknown>; readonly what: (other: Resource) => boolean } {
  const listener = LISTENERS[integer(random, LISTENERS.length)]!;
  // What is asked for often is what is stored.
  const index = Math.floor(RESOURCES * random() ** 3);
  switch (integer(random, 6)) {
    case 0:
      return { body: { listener }, what: (other) => other.listener === listener };
    case 1:
      return {
        body: { tag: `tag${index % 10}` },
        what: (other) => other.listener !== "api" && other.listener !== "images" && other.index % 10 === index % 10,
      };
    case 2:
      return {
        body: { glob: `/${listener}/${index}*` },
        what: (other) => other.target.startsWith(`/${listener}/${index}`),
      };
    case 3:
      return {
        body: { prefix: `/t/p/w500/picture${index}` },
        what: (other) => other.target.startsWith(`/t/p/w500/picture${index}`),
      };
    default: {
      const { target } = resource(listener, index);
      return { body: { url: target }, what: (other) => other.target === target };
    }
  }
}
