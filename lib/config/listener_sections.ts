import { accessKeys } from "./access_sections.ts";
import { listenerImageKeys } from "./images_sections.ts";
import { prewarmKeys } from "./prewarm_sections.ts";
import { listenerLimitKeys } from "./resilience_sections.ts";
import { rulesKeys } from "./rules_sections.ts";
import { rewritingKeys } from "./rewriting_sections.ts";

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
