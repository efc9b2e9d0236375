import type { PreparedKvFile } from "../../cache/disk/kv_open.ts";
import { lifetimeText, SOON_MS } from "../../config/certificates.ts";
import type { Config } from "../../config/config.ts";
import { usedCertificates } from "../supervisor/certificate_keeper.ts";
import type { Slot } from "../supervisor/slot.ts";
import { diskProblem } from "./cache_figures.ts";
import { admitsNone } from "./pool_figures.ts";

/** How the whole gateway is, and why it is not as it should be: in words, none where it is. */
export interface GatewayState {
  readonly state: "ready" | "degraded" | "stopping";
  readonly reasons: readonly string[];
}

/** What the state is told from. */
export interface StateFacts {
  readonly isStopping: boolean;
  readonly config: Config;
  readonly slots: readonly Slot[];
  readonly kvFile: PreparedKvFile;
  readonly lastReload: { readonly problems: readonly string[] } | null;
  readonly nowMs: number;
}

/** Whether the gateway is as it should be: whoever looks at it is to see what needs doing, in words, the worst first. */
export function gatewayState(facts: StateFacts): GatewayState {
  const reasons = [
    ...missingWorkers(facts.slots),
    ...facts.config.pools.filter(({ name }) => admitsNone(name, facts.slots)).map(({ name }) =>
      `Pool "${name}" has no healthy upstream`
    ),
    ...diskReasons(facts),
    ...reloadReasons(facts.lastReload),
    ...certificateReasons(facts.config, facts.nowMs),
    ...imageReasons(facts.slots),
  ];
  return { state: facts.isStopping ? "stopping" : reasons.length > 0 ? "degraded" : "ready", reasons };
}

function missingWorkers(slots: readonly Slot[]): string[] {
  const serving = slots.filter(({ role }) => role === "serving");
  const missing = slots.filter(({ handle }) => handle === null);
  const missingServing = missing.filter(({ role }) => role === "serving").length;
  return [
    ...(missingServing === 0 ? [] : [`${missingServing} of ${serving.length} serving workers do not run`]),
    ...missing.filter(({ role }) => role !== "serving").map(({ role }) => `The ${role} worker does not run`),
  ];
}

function diskReasons({ slots, kvFile, config }: StateFacts): string[] {
  if (config.cache.diskBytes === 0) return [];
  if (kvFile.path === null) return [`Nothing is stored on disk: ${kvFile.problem ?? "there is no file for it"}`];
  const problem = diskProblem(slots);
  return problem === null ? [] : [`The disk cache does not work as it should: ${problem}`];
}

function reloadReasons(lastReload: StateFacts["lastReload"]): string[] {
  const count = lastReload?.problems.length ?? 0;
  if (count === 0) return [];
  return [
    `The last reload failed, with ${count} problem${count === 1 ? "" : "s"}: the configuration before is in force`,
  ];
}

function certificateReasons(config: Config, nowMs: number): string[] {
  return usedCertificates(config).flatMap(({ certificate: { certFile, notAfterMs } }) =>
    notAfterMs - nowMs < SOON_MS ? [`Certificate ${certFile}: ${lifetimeText(notAfterMs, nowMs)}`] : []
  );
}

function imageReasons(slots: readonly Slot[]): string[] {
  const problem = slots.find(({ role }) => role === "image")?.handle?.report?.images?.problem ?? null;
  return problem === null ? [] : [`Pictures are not converted: ${problem}`];
}
