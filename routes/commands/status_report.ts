import { shownSize } from "../../lib/inspect/diagnose_disk.ts";
import { aligned, harmless } from "./text_layout.ts";

/** As much of `/status` as the report shows. */
export interface StatusReply {
  readonly version: string;
  readonly pid: number;
  readonly uptime_seconds: number;
  readonly config: {
    readonly file: string;
    readonly generation: number;
    readonly last_reload: { readonly at: string; readonly problems: readonly string[] } | null;
  };
  readonly workers: readonly {
    readonly name: string;
    readonly state: string;
    readonly restarts: number;
    readonly requests: number;
  }[];
  readonly listeners: readonly {
    readonly name: string;
    readonly listen: string;
    readonly prefix: string;
    readonly pool: string;
    readonly requests: number;
    readonly cache: { readonly hit_rate: number | null };
  }[];
  readonly pools: readonly {
    readonly name: string;
    readonly upstreams: readonly { readonly url: string; readonly state: string; readonly healthy: boolean }[];
  }[];
  readonly cache: {
    readonly memory: { readonly bytes: number; readonly entries: number } | null;
    readonly disk: { readonly bytes: number; readonly entries: number } | null;
    readonly disk_problem: string | null;
  };
}

/** What `usher status` prints. Ends without a line feed. */
export function statusReport(status: StatusReply): string {
  const { version, pid, config, workers, listeners, pools, cache } = status;
  const tiers = [["memory", cache.memory], ["disk", cache.disk]] as const;
  return [
    `Usher ${version}, process ${pid}, up ${durationText(status.uptime_seconds)}`,
    ...aligned([["configuration", `${config.file}, the ${ordinal(config.generation)} since the start`]], 2),
    ...(config.last_reload?.problems ?? []).map((problem) => `  not reloaded   ${harmless(problem)}`),
    "",
    "Workers",
    ...aligned(
      workers.map((
        { name, state, restarts, requests },
      ) => [name, state, counted(restarts, "restart"), counted(requests, "request")]),
      2,
    ),
    "",
    "Listeners",
    ...aligned(
      listeners.map(({ name, listen, prefix, pool, requests, cache: { hit_rate } }) => [
        name,
        listen,
        prefix,
        `pool ${pool}`,
        counted(requests, "request"),
        hit_rate === null ? "" : `${Math.round(hit_rate * 100)} % from the cache`,
      ]),
      2,
    ),
    "",
    "Upstreams",
    ...aligned(
      pools.flatMap(({ name, upstreams }) =>
        upstreams.map(({ url, state, healthy }) => [
          name,
          harmless(url),
          healthy ? state : `${state}: gets no requests`,
        ])
      ),
      2,
    ),
    "",
    "Cache",
    ...aligned(
      tiers.map(([name, tier]) => [
        name,
        tier === null ? "none" : `${shownSize(tier.bytes)} in ${counted(tier.entries, "response")}`,
      ]),
      2,
    ),
    ...(cache.disk_problem === null ? [] : [`  ${harmless(cache.disk_problem)}`]),
  ].map((line) => line.trimEnd()).join("\n");
}

function counted(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

function ordinal(number: number): string {
  const ending = ["th", "st", "nd", "rd"][number % 100 > 10 && number % 100 < 14 ? 0 : number % 10] ?? "th";
  return `${number}${ending}`;
}

function durationText(seconds: number): string {
  const units = [[86_400, "d"], [3_600, "h"], [60, "m"], [1, "s"]] as const;
  const first = units.findIndex(([size]) => seconds >= size);
  if (first < 0) return "0s";
  let left = seconds;
  return units.slice(first, first + 2).map(([size, unit]) => {
    const count = Math.floor(left / size);
    left -= count * size;
    return `${count}${unit}`;
  }).join(" ");
}
