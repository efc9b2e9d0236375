import { shownSize } from "../../lib/inspect/finding.ts";
import type { LookupView, StoredView } from "../../lib/inspect/lookup.ts";
import { formatDurationMs } from "../../lib/config/yaml/units.ts";
import { ADMIN_HELP, ADMIN_OPTIONS, adminAccess, askAdmin, refusalOf } from "./admin_client.ts";
import { type Command, failed, Misuse, readArguments } from "./command.ts";
import { explanationReport, fieldsOf } from "./explain.ts";
import { fail, print } from "./terminal.ts";
import { aligned, harmless, type Paint, painter } from "./text_layout.ts";

const USAGE =
  `usage: usher lookup URL [-H 'Name: value']… [--explain] [--json] [--config FILE | --admin URL] [--token T]

  Says what the running gateway has stored for a request: in which tier and worker, how old it is and for how long it is
  of use. No use of it counts, and no upstream is asked. Exits with 0 where something is stored, else with 1.

  --header, -H 'Name: value'    a field of the request; may be given several times
  --method, -X M                GET by default
  --explain                     what would be done with the request, too
  --json                        for programs, with that
  ${ADMIN_HELP}
`;

/** `usher lookup`: prints what is stored for a request. */
export const lookupCommand: Command = {
  summary: "say what is stored for a request, where, and for how long",
  usage: USAGE,
  async run(args) {
    const { values, positionals: [url] } = readArguments(args, {
      ...ADMIN_OPTIONS,
      method: { type: "string", short: "X" },
      header: { type: "string", short: "H", multiple: true },
      explain: { type: "boolean" },
      json: { type: "boolean" },
    }, 1);
    if (url === undefined) throw new Misuse("There is no URL to look up");
    const { method, header = [], explain = false, json = false, ...access } = values;
    const asked = { url, method, fields: Object.fromEntries(readFields(header)) };
    try {
      const reply = await askAdmin(await adminAccess(access), "POST /cache/lookup", asked);
      if (!reply.ok) return fail(refusalOf(reply));
      const view = reply.value as LookupView;
      print(json ? JSON.stringify(view, null, 2) : lookupReport(view));
      if (explain && !json) print(`\n${explanationReport(view.explain)}`);
      return view.stored.some(({ selected }) => selected) ? 0 : 1;
    } catch (error) {
      return failed(error);
    }
  },
};

/** @throws {Misuse} */
function readFields(lines: readonly string[]): Headers {
  try {
    return fieldsOf(lines);
  } catch (error) {
    throw error instanceof TypeError ? new Misuse(error.message) : error;
  }
}

/** What `usher lookup` prints. */
export function lookupReport(view: LookupView, paint: Paint = painter()): string {
  const { listener, address, key, varies_by: names, workers, stored, elsewhere, explain } = view;
  if (listener === null) return notTaken(view);
  const selected = stored.filter((one) => one.selected);
  const others = stored.filter((one) => !one.selected);
  const { method, target } = explain.request;
  return [
    paint("strong", `${method} ${harmless(target)}`),
    ...aligned([
      ["listener", `${listener} at ${address}`],
      ["key", key === null ? "none: the listener stores nothing" : harmless(key)],
      ...(names.length === 0 ? [] : [["varies by", `${names.join(", ")}: give them with -H`]]),
      ...elsewhere.map((other) => ["also", `${other.listener} at ${other.address}: give a whole URL for that`]),
    ], 2),
    "",
    ...selected.length === 0
      ? [paint("bad", `Nothing is stored for ${names.length === 0 ? "it" : "these fields"}, ${placesOf(workers)}`)]
      : [paint("strong", "Stored"), ...aligned([HEADS, ...selected.map(cells)], 2)],
    ...selected.length === 0 ? [] : facts(selected[0]!),
    ...others.length === 0 ? [] : ["", paint("strong", "Beside it"), ...aligned([HEADS, ...others.map(cells)], 2)],
  ].join("\n");
}

function placesOf(workers: number): string {
  return `in ${workers} worker${workers === 1 ? "" : "s"} and on the disk`;
}

function notTaken({ explain: { refused, nearest } }: LookupView): string {
  if (refused !== null) return `The gateway refuses it: ${refused.status} ${refused.code}: ${refused.message}`;
  return `No listener takes it. ${nearest ?? ""}`.trimEnd();
}

const HEADS = ["tier", "worker", "now", "status", "size", "age", "lifetime", "stale use left", "hits", ""];

function cells(one: StoredView): string[] {
  const seconds = (number: number) => formatDurationMs(number * 1_000);
  return [
    one.tier,
    one.worker ?? "all",
    one.purged ? "purged" : one.fresh ? "fresh" : "stale",
    String(one.status),
    shownSize(one.bytes),
    seconds(one.age_seconds),
    seconds(one.lifetime_seconds),
    seconds(one.stale_usable_seconds),
    one.hits === null ? "" : String(one.hits),
    [...one.kind === "part" ? ["a part of it"] : [], ...one.variants.map(harmless)].join("; "),
  ];
}

function facts(
  { verdict, content_type: type, stored_at: at, etag, last_modified: modified, tags }: StoredView,
): string[] {
  return aligned([
    ["verdict", `${verdict ?? "none"}, for this request`],
    ["type", harmless(type ?? "none")],
    ["stored", at],
    ["validators", [etag, modified].flatMap((one) => one === null ? [] : harmless(one)).join(", ") || "none"],
    ["tags", tags.length === 0 ? "none" : harmless(tags.join(" "))],
  ], 2);
}
