import type { EngineCosts } from "./engine_model.ts";

/** Costs of Debian's redis-server 7.0.15 by `deno task simulate --measure`: medians of three runs beside other work, 2026-12-01. */
export const COSTS: EngineCosts = {
  purgeUs: 145,
  deliverUs: 12,
  reportUs: 21.7,
  behindUs: 2060,
  renewUs: 45,
  rateUs: 7.4,
  rateCallUs: 26,
  leaseUs: 20.5,
  get100Us: 267,
  put100Us: 264,
  connectUs: 84.7,
};
