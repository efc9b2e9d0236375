import { accessKeys } from "./access.ts";
import { listenerImageKeys } from "./images.ts";
import { prewarmKeys } from "./prewarm.ts";
import { listenerLimitKeys } from "./resilience.ts";
import { rulesKeys } from "./rules.ts";
import { rewritingKeys } from "./rewriting.ts";

/** Keys of a listener beside what it answers for and how it stores: who may use it, how much, what is changed in it, and what is
 * fetched ahead. */
export const listenerKeys = {
  ...accessKeys,
  ...listenerLimitKeys,
  ...rewritingKeys,
  ...prewarmKeys,
  ...listenerImageKeys,
  ...rulesKeys,
};
