import type { Status } from "../../lib/workers/figures/status.ts";
import { shownSize } from "../../lib/inspect/finding.ts";
import { ADMIN_HELP, ADMIN_OPTIONS, adminAccess, askAdmin, refusalOf } from "./admin_client.ts";
import { type Command, failed, readArguments } from "./command.ts";
import { notGateway } from "./running_gateway.ts";
import { fail, print } from "./terminal.ts";
import { aligned, harmless } from "./text_layout.ts";

/** `usher status`: prints how the running gateway is. */
export const statusCommand: Command = {
  summary: "say how the running gateway is",
  usage: `usage: usher status [--json] [--config FILE | --admin URL] [--token T]

  Workers, listeners with what the cache answered, and the state of each upstream. Exits with 0 if a worker serves, else
  with 1.

  --json              all that the gateway says, as /api/v1/status on its admin address
  ${ADMIN_HELP}
`,
  async run(args) {
    const { values: { json, ...flags } } = readArguments(args, { ...ADMIN_OPTIONS, json: { type: "boolean" } });
    try {
      const access = await adminAccess(flags);
      const reply = await askAdmin(access, "GET /status");
      if (!reply.ok) return fail(refusalOf(reply));
      const status = reply.value as Status;
      if (!Array.isArray(status.workers)) return fail(notGateway(access.url, reply.status));
      print(json ? JSON.stringify(status, null, 2) : statusReport(status));
      return status.workers.some(({ name, state }) => name.startsWith("serving") && state === "up") ? 0 : 1;
    } catch (error) {
      return failed(error);
    }
  },
};

/** What `usher status` prints. Ends without a line feed. */
export function statusReport(status: Status): string {
  const { version, pid, config, workers, listeners, pools, cache } = status;
  const tiers = [["memory", cache.memory], ["disk", cache.disk]] as const;
  return [
    `Usher ${version}, process ${pid}, up ${durationText(status.uptime_seconds)}`,
    ...aligned([["configuration", `${config.file}, the ${ordinal(config.generation)} since the start`]], 2),
    // An older gateway says nothing of it.
    ...(status.state === "stopping" ? ["  stopping"] : []),
    ...(status.reasons ?? []).map((reason) => `  degraded       ${harmless(reason)}`),
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
        upstreams.map(({ url, state, healthy, drained, share }) => [
          name,
          harmless(url),
          drained
            ? `drained since ${drained.since} by ${harmless(drained.by)}: gets no requests (${state})`
            : healthy === false
            ? `${state}: gets no requests`
            : `${state}, ${Math.round(share * 100)} %`,
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
