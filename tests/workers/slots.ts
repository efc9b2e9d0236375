import { newLastingCounts } from "../../lib/workers/figures/lasting_counts.ts";
import type { WorkerReport } from "../../lib/workers/messages.ts";
import { RestartPolicy, type Slot } from "../../lib/workers/supervisor/slot.ts";
import { plainReport } from "./messages.ts";

/** A worker's place as data: `undefined` where no worker is up, `null` where it has not reported yet. */
export function slotOf(name: string, report: Partial<WorkerReport> | null | undefined, deaths = 0): Slot {
  const policy = new RestartPolicy();
  for (let death = 0; death < deaths; death++) policy.died(0);
  const handle = { startedAtMs: 1_000, report: report === null || report === undefined ? null : plainReport(report) };
  return {
    name,
    role: name === "health" ? "health" : "serving",
    index: 0,
    policy,
    handle: report === undefined ? null : handle as unknown as Slot["handle"],
    retired: newLastingCounts(),
  };
}
