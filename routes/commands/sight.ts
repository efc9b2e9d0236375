import { nearest } from "../../lib/config/yaml/nearest.ts";
import { shownMs, shownSize } from "../../lib/inspect/finding.ts";
import { ADMIN_HELP, ADMIN_OPTIONS, adminAccess, type AdminFlags, askAdmin, refusalOf } from "./admin_client.ts";
import { type Command, failed, Misuse, readArguments } from "./command.ts";
import { fail, print } from "./terminal.ts";
import { aligned, harmless } from "./text_layout.ts";

/** A remembered request, as the API shows it. */
interface SlowRequest {
  readonly id: string;
  readonly at: string;
  readonly listener: string;
  readonly method: string;
  readonly target: string;
  readonly status: number;
  readonly termination: string;
  readonly cache: string;
  readonly upstream: string | null;
  readonly tries: number;
  readonly total_ms: number;
  readonly phases: Readonly<Record<string, number>>;
}

interface TopTarget {
  readonly listener: string;
  readonly target: string;
  readonly requests: number | null;
  readonly misses: number | null;
  readonly bytes: number | null;
  readonly ms: number | null;
}

interface LoggedProblem {
  readonly at: string;
  readonly level: string;
  readonly area: string;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly count: number;
}

const SHOWN = 20;
const JSON_OPTION = { json: { type: "boolean" } } as const;
const JSON_HELP = "--json              as the API answers";
const LISTENER_HELP = "--listener L        of this listener alone";

/** `usher slow`: prints the slowest requests and where their time went. */
export const slowCommand: Command = {
  summary: "say which requests were slow, and where their time went",
  usage: `usage: usher slow [ID] [--listener L] [--json] [--config FILE | --admin URL] [--token T]

  The ${SHOWN} slowest requests of the last hour; or the one whose X-Request-Id is ID, also where it failed.

  ${LISTENER_HELP}
  ${JSON_HELP}
  ${ADMIN_HELP}
`,
  run(args) {
    const { values, positionals: [id] } = readArguments(args, {
      ...ADMIN_OPTIONS,
      ...JSON_OPTION,
      listener: { type: "string" },
    }, 1);
    const { json, listener, ...flags } = values;
    const path = id === undefined ? `/slow${queryOf({ listener })}` : `/requests/${encodeURIComponent(id)}`;
    return show(flags, path, (value) => {
      const requests = (id === undefined ? value : [value]) as readonly SlowRequest[];
      return json ? JSON.stringify(value, null, 2) : slowReport(requests.slice(0, SHOWN));
    });
  },
};

const MEASURES = ["requests", "misses", "bytes", "time"];

/** `usher top`: prints the targets that are asked for most. */
export const topCommand: Command = {
  summary: "say which targets have the most requests, misses, bytes or time",
  usage: `usage: usher top [--by MEASURE] [--listener L] [--json] [--config FILE | --admin URL] [--token T]

  The ${SHOWN} heaviest targets of the last one to two hours. Hits are sampled, so figures are not exact.

  --by MEASURE        requests (if not said), misses, bytes or time
  ${LISTENER_HELP}
  ${JSON_HELP}
  ${ADMIN_HELP}
`,
  run(args) {
    const { values } = readArguments(args, {
      ...ADMIN_OPTIONS,
      ...JSON_OPTION,
      listener: { type: "string" },
      by: { type: "string" },
    });
    const { json, listener, by = "requests", ...flags } = values;
    if (!MEASURES.includes(by)) {
      const near = nearest(by, MEASURES);
      throw new Misuse(`--by wants one of ${MEASURES.join(", ")}${near === null ? "" : `; did you mean "${near}"?`}`);
    }
    return show(flags, `/top${queryOf({ by, listener })}`, (value) => {
      const targets = value as readonly TopTarget[];
      return json ? JSON.stringify(value, null, 2) : topReport(targets.slice(0, SHOWN));
    });
  },
};

/** `usher problems`: prints the warnings and errors of late. */
export const problemsCommand: Command = {
  summary: "say what went wrong of late",
  usage: `usage: usher problems [--json] [--config FILE | --admin URL] [--token T]

  The last ${SHOWN} different warnings and errors of the gateway, the newest first. Exits with 0 also where there are some.

  ${JSON_HELP}
  ${ADMIN_HELP}
`,
  run(args) {
    const { json, ...flags } = readArguments(args, { ...ADMIN_OPTIONS, ...JSON_OPTION }).values;
    return show(flags, "/problems", (value) => {
      const problems = value as readonly LoggedProblem[];
      return json ? JSON.stringify(value, null, 2) : problemReport(problems.slice(0, SHOWN));
    });
  },
};

/** Asks the API, and prints what `report` makes of the answer. */
async function show(flags: AdminFlags, path: string, report: (value: unknown) => string): Promise<number> {
  try {
    const reply = await askAdmin(await adminAccess(flags), `GET ${path}`);
    return reply.ok ? print(report(reply.value)) : fail(refusalOf(reply));
  } catch (error) {
    return failed(error);
  }
}

function queryOf(values: Readonly<Record<string, string | undefined>>): string {
  const given = Object.entries(values).flatMap(([name, value]) => value === undefined ? [] : [[name, value]]);
  return given.length === 0 ? "" : `?${new URLSearchParams(given)}`;
}

/** Requests with the phases that took any time. Ends without a line feed. */
export function slowReport(requests: readonly SlowRequest[]): string {
  if (requests.length === 0) return "No request of the last hour was slow";
  return requests.flatMap((request) => {
    const { id, at, listener, method, target, status, termination, cache, upstream, tries, total_ms, phases } = request;
    const spent = Object.entries(phases).filter(([, ms]) => ms > 0)
      .map(([name, ms]) => `${name.replace(/_ms$/, "").replaceAll("_", " ")} ${shownMs(ms)}`);
    const asked = upstream === null ? [] : [`${tries} ${tries === 1 ? "try" : "tries"}, last at ${upstream}`];
    return [
      harmless(`${shownMs(total_ms)}  ${method} ${target}  ${status} ${termination}`),
      ...aligned([
        ["where", spent.length === 0 ? "in the gateway itself" : spent.join(", ")],
        ["how", harmless([cache, ...asked].join(", "))],
        ["which", harmless(`${id}, listener ${listener}, ${clockTime(at)}`)],
      ], 2),
    ];
  }).join("\n");
}

/** A table of targets. Ends without a line feed. */
export function topReport(targets: readonly TopTarget[]): string {
  if (targets.length === 0) return "Nothing was asked for yet";
  const number = (value: number | null, shown: (value: number) => string = String) =>
    value === null ? "-" : shown(value);
  const rows = targets.map(({ listener, target, requests, misses, bytes, ms }) => [
    number(requests),
    number(misses),
    number(bytes, shownSize),
    number(ms, shownMs),
    listener,
    harmless(target),
  ]);
  return aligned([["requests", "misses", "bytes", "time", "listener", "target"], ...rows], 0).join("\n");
}

/** Problems with their fields. Ends without a line feed. */
export function problemReport(problems: readonly LoggedProblem[]): string {
  if (problems.length === 0) return "No warnings and no errors";
  return problems.flatMap(({ at, level, area, message, fields, count }) => [
    harmless(`${clockTime(at)}  ${level}  ${message}${count > 1 ? `  (${count} times)` : ""}`),
    ...aligned([
      ["area", area],
      ...Object.entries(fields).map(([name, value]) => [name, harmless(String(value))]),
    ], 2),
  ]).join("\n");
}

/** `2026-11-30 23:40:11`, in UTC. */
function clockTime(at: string): string {
  return at.slice(0, 19).replace("T", " ");
}
