import type { EngineCosts } from "./engine_model.ts";

/** Costs as `deno task simulate --measure` printed them last. */
export const COSTS: EngineCosts = {
  purgeUs: 60,
  deliverUs: 9,
  reportUs: 10,
  behindUs: 21,
  renewUs: 40,
  rateUs: 5.6,
  rateCallUs: 20,
  leaseUs: 20,
  get100Us: 60,
  put100Us: 120,
  connectUs: 100,
};
