import { lifetimeText, SOON_MS } from "../../config/certificates.ts";
import type { Config } from "../../config/config.ts";
import { addressKey } from "../../gateway/compile.ts";
import { usedCertificates } from "../supervisor/certificate_keeper.ts";
import type { Slot } from "../supervisor/slot.ts";
import type { WorkerReport } from "../messages.ts";
import { diskProblem } from "./cache_figures.ts";

/** What the state of the gateway is made from. */
export interface StateFacts {
  readonly config: Config;
  readonly slots: readonly Slot[];
  readonly isStopping: boolean;
  /** Why there is no disk cache; `null` where there is one, or is not to be any. */
  readonly kvProblem: string | null;
  /** Of the last reload. */
  readonly reloadProblems: readonly string[];
  readonly nowMs: number;
}

/** Whether the gateway does all that it is to do. */
export interface GatewayState {
  readonly state: "ready" | "degraded" | "stopping";
  /** Why it is degraded, in words. */
  readonly reasons: readonly string[];
}

/** Whether the gateway serves, and what of it does not work as it should. */
export function gatewayState(facts: StateFacts): GatewayState {
  const { slots, config } = facts;
  const down = slots.filter(({ handle }) => handle === null).map(({ name }) => `The worker ${name} is down`);
  const disk = [facts.kvProblem, diskProblem(slots)].filter((problem) => problem !== null);
  const reasons = [
    ...down,
    ...addressProblems(config, slots),
    ...poolProblems(config, slots),
    ...(config.cache.diskBytes > 0 ? disk.map((problem) => `The disk cache: ${problem}`) : []),
    ...reloadProblems(facts.reloadProblems),
    ...certificateProblems(config, facts.nowMs),
    ...imageProblems(slots),
  ];
  return { state: facts.isStopping ? "stopping" : reasons.length > 0 ? "degraded" : "ready", reasons };
}

/** Addresses of listeners on which no serving worker accepts connections, as the workers said last. */
export function deafAddresses({ listeners }: Config, slots: readonly Slot[]): string[] {
  const reports = servingReports(slots);
  // A worker that has just come up has not said anything yet.
  if (reports.length === 0 || reports.some(({ listening }) => listening === undefined)) return [];
  const addresses = [...new Set(listeners.map(({ listen }) => addressKey(listen)))];
  return addresses.filter((address) => !reports.some(({ listening }) => listening?.[address] === null));
}

function addressProblems({ listeners }: Config, slots: readonly Slot[]): string[] {
  const reports = servingReports(slots);
  return [...new Set(listeners.map(({ listen }) => addressKey(listen)))].flatMap((address) => {
    const states = reports.flatMap(({ listening = {} }) =>
      listening[address] === undefined ? [] : [listening[address]]
    );
    const problems = states.filter((problem) => problem !== null);
    if (problems.length === 0) return states.length > 0 || reports.length === 0 ? [] : [`Nobody listens on ${address}`];
    return [`${problems.length} of ${states.length} workers cannot accept on ${address}: ${problems[0]}`];
  });
}

function poolProblems({ pools }: Config, slots: readonly Slot[]): string[] {
  const tables = slots.find(({ role }) => role === "health")?.handle?.report?.health ?? [];
  return pools.flatMap(({ name }) => {
    const rows = Object.values(tables.find(({ pool }) => pool === name)?.upstreams ?? {});
    const isOut = rows.length > 0 && rows.every(({ state }) => state === "unhealthy" || state === "ejected");
    return isOut ? [`No upstream of the pool ${name} is healthy`] : [];
  });
}

function reloadProblems([first, ...others]: readonly string[]): string[] {
  if (first === undefined) return [];
  return [`The last reload failed: ${first}${others.length === 0 ? "" : `, and ${others.length} more`}`];
}

function certificateProblems(config: Config, nowMs: number): string[] {
  return usedCertificates(config).flatMap(({ certificate: { certFile, notAfterMs } }) =>
    notAfterMs - nowMs < SOON_MS ? [`The certificate ${certFile}: ${lifetimeText(notAfterMs, nowMs)}`] : []
  );
}

function imageProblems(slots: readonly Slot[]): string[] {
  const problem = slots.find(({ role }) => role === "image")?.handle?.report?.images?.problem ?? null;
  return problem === null ? [] : [`Pictures are not converted: ${problem}`];
}

function servingReports(slots: readonly Slot[]): WorkerReport[] {
  return slots.flatMap(({ role, handle }) => role === "serving" && handle?.report ? [handle.report] : []);
}
