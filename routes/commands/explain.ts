import { checkReport } from "./check_report.ts";
import { explainRequest } from "../../lib/inspect/asked_url.ts";
import { explain, ruleNamesOf } from "../../lib/inspect/explain.ts";
import { redact } from "../../lib/logging/redact.ts";
import { formatDurationMs } from "../../lib/config/yaml/units.ts";
import type {
  AnswerView,
  CacheView,
  Explanation,
  RuleView,
  ServedView,
  UpstreamView,
} from "../../lib/inspect/explanation.ts";
import { type Command, Misuse, readArguments } from "./command.ts";
import { load } from "./config_file.ts";
import { configFile } from "./config_path.ts";
import { fail, print } from "./terminal.ts";
import { aligned, type Paint, painter } from "./text_layout.ts";

const USAGE = `usage: usher explain URL [--config FILE] [--method M] [-H 'Name: value']… [--json]

  Says what the gateway would do with a request. URL is http://host:port/path as a client sends it, or a path alone:
  then all listen addresses are looked at. Nothing is sent to anybody. Exits with 0 where a listener takes the request,
  with 1 where none does.

  --config, -c FILE             the configuration; - is standard input
  --method, -X M                GET by default
  --header, -H 'Name: value'    a field of the request; may be given several times
  --json                        for programs
`;

const METHOD = /^[A-Za-z!#$%&'*+.^_`|~0-9-]{1,32}$/;

/** `usher explain`: prints what the gateway would do with a request, without sending anything. */
export const explainCommand: Command = {
  summary: "say what the gateway would do with a request, without sending anything",
  usage: USAGE,
  async run(args) {
    const asked = readOrder(args);
    const loaded = await load(configFile("explain", asked.config));
    if (!loaded.ok) return fail(checkReport(loaded));
    const explanation = await explain(loaded.config, asked.request, ruleNamesOf(loaded));
    print(asked.json ? JSON.stringify(explanation, null, 2) : explanationReport(explanation));
    return explanation.served.length > 0 ? 0 : 1;
  },
};

/** @throws {Misuse} */
function readOrder(args: readonly string[]) {
  const { values, positionals: [url] } = readArguments(args, {
    config: { type: "string", short: "c" },
    method: { type: "string", short: "X" },
    header: { type: "string", short: "H", multiple: true },
    json: { type: "boolean" },
  }, 1);
  if (url === undefined) throw new Misuse("There is no URL to explain");
  const { method = "GET", header = [], config, json = false } = values;
  if (!METHOD.test(method)) throw new Misuse(`--method wants a method such as GET, found "${redact(method)}"`);
  try {
    return { config, json, request: explainRequest(url, method.toUpperCase(), fieldsOf(header)) };
  } catch (error) {
    throw error instanceof TypeError ? new Misuse(redact(error.message)) : error;
  }
}

/** Fields as they are typed, `Name: value`. @throws {TypeError} */
export function fieldsOf(lines: readonly string[]): Headers {
  const fields = new Headers();
  for (const line of lines) {
    const colon = line.indexOf(":");
    try {
      fields.append(line.slice(0, Math.max(0, colon)).trim(), line.slice(colon + 1).trim());
    } catch {
      throw new TypeError("-H wants 'Name: value', such as -H 'Accept-Language: de'");
    }
  }
  return fields;
}

/** An explanation for people: listeners first, then what the one that takes the request does. */
export function explanationReport(explanation: Explanation, paint: Paint = painter()): string {
  const { request: { method, authority, target }, note, listeners, nearest, refused, served } = explanation;
  const lines = [
    paint("strong", `${method} ${authority === null ? "" : `http://${authority}`}${target}`),
    ...(note === null ? [] : aligned([["note", note]], 0)),
    "",
    paint("strong", "Listeners"),
    ...aligned(
      listeners.map(({ listener, address, hosts, prefix, takes, reason, pool }) => [
        takes ? "takes it" : "no",
        listener,
        [address, ...hosts].join(" "),
        prefix,
        takes ? `pool ${pool}` : reason ?? "",
      ]),
      2,
    ).map((line, index) => paint(listeners[index]!.takes ? "good" : "faint", line)),
  ];
  if (nearest !== null) lines.push("", ...aligned([[paint("bad", "No listener takes it."), nearest]], 0));
  if (refused !== null) {
    const { status, code, message, hint } = refused;
    lines.push("", paint("bad", `The gateway refuses it: ${status} ${code}`), ...aligned([[message]], 2));
    if (hint !== null) lines.push(...aligned([[hint]], 2));
  }
  return [...lines, ...served.flatMap((one) => servedReport(one, paint))].join("\n");
}

function servedReport(served: ServedView, paint: Paint): string[] {
  const { listener, address, pool, type, cache, upstreams, settings, own_answer: own } = served;
  const facts = [
    ["pool", `${pool} (${type})`],
    ["class", `${served.class}: ${sharing(served)}`],
    ...(own === null ? [] : [["answer", `${own.status} by the gateway itself: ${own.text}`]]),
    ...(cache === null ? [["cache", "off for this listener"]] : cacheFacts(cache)),
    ...Object.entries(settings),
    ["delivery", `an answer passes ${[...served.delivery, "own fields"].join(", ")}`],
  ];
  return [
    "",
    paint("strong", `Listener ${listener} on ${address}`),
    ...aligned(facts, 2),
    ...rulesReport(served.rules, paint),
    ...(cache === null || cache.answers.length === 0 ? [] : answersReport(cache.answers, paint)),
    "",
    paint("strong", "Upstreams, and what each would be sent"),
    ...upstreams.flatMap(upstreamReport),
  ];
}

function sharing({ private: reason }: ServedView): string {
  if (reason === null) return "may be shared";
  return `private (${reason}): never stored, shared, hedged, or sent again once it was sent`;
}

/** What becomes of a client's `no-cache`, `max-age`, `min-fresh` and `Pragma`. */
const CLIENT_DIRECTIVES: Readonly<Record<CacheView["client_cache_control"], string>> = {
  obey: "a client's no-cache, max-age, min-fresh and Pragma have the upstream asked",
  limit: "clients' no-cache, max-age, min-fresh and Pragma have the upstream asked once in ten seconds",
  ignore: "a client's no-cache, max-age, min-fresh and Pragma are ignored",
};

function cacheFacts(
  { mode, client_cache_control: asked, bypass, key, vary_ignored: ignored, tags }: CacheView,
): string[][] {
  if (bypass !== null) return [["cache", `mode ${mode}, passed by: ${bypass}`]];
  const [listener = "", host = "", target = "", ...more] = key ?? [];
  const coded = ignored.includes("accept-encoding") ? "" : " and the codings that it chooses";
  const variants = `by the upstream's Vary${coded}${
    ignored.length === 0 ? "" : `, but never by ${ignored.join(", ")}`
  }`;
  return [
    ["cache", `mode ${mode}`],
    ["no-cache", CLIENT_DIRECTIVES[asked]],
    ["key", [listener, host === "" ? "(any host)" : host, target, ...more].join(" | ")],
    ["variants", variants],
    ["tags", tags.length === 0 ? "those that the upstream gives" : tags.join(" ")],
  ];
}

/** Rules that are shown at most, without those that apply. */
const MAX_RULES = 20;

function rulesReport(rules: readonly RuleView[], paint: Paint): string[] {
  if (rules.length === 0) return [];
  const applied = rules.filter(({ unmet }) => unmet === null);
  const others = rules.filter(({ unmet }) => unmet !== null);
  const rows = [...applied, ...others.slice(0, MAX_RULES)].sort((a, b) => a.rule - b.rule);
  const more = others.length - MAX_RULES;
  return [
    "",
    paint("strong", "Rules"),
    ...aligned(
      rows.map((
        { rule, unmet, does },
      ) => [unmet === null ? "applies" : "no", `rule ${rule}`, unmet ?? does.join("; ")]),
      2,
    ),
    ...(more > 0 ? aligned([[`and ${more} more that do not apply`]], 2) : []),
  ];
}

function answersReport(answers: readonly AnswerView[], paint: Paint): string[] {
  const rows = answers.map((answer) => [
    `${answer.status} ${answer.content_type}${answer.cache_control === null ? "" : `, ${answer.cache_control}`}`,
    ...(answer.stored
      ? storedCells(answer)
      : ["not stored", "", "", "", /detail=(\S+)/.exec(answer.sent_cache_status ?? "")?.[1] ?? ""]),
  ]);
  const heads = ["if the upstream answers", "fresh", "+ revalidating", "+ on errors", "kept in", "decided by"];
  return ["", paint("strong", "What would be stored"), ...aligned([heads, ...rows], 2)];
}

function storedCells(answer: AnswerView): string[] {
  const tiers = [...(answer.memory ? ["memory"] : []), ...(answer.disk ? ["disk"] : [])];
  return [
    shortly(answer.fresh_ms),
    shortly(answer.stale_while_revalidate_ms),
    shortly(answer.stale_if_error_ms),
    tiers.join("+"),
    answer.decided_by,
  ];
}

/** A duration to the second. */
function shortly(ms: number): string {
  return formatDurationMs(ms < 1_000 ? ms : Math.round(ms / 1_000) * 1_000);
}

function upstreamReport({ id, weight, backup, proxy, resolve, request }: UpstreamView): string[] {
  const way = [
    `weight ${weight}`,
    ...(backup ? ["backup"] : []),
    ...(proxy === null ? [] : [`through ${proxy}`]),
    ...(resolve === null ? [] : [`at ${resolve}`]),
  ];
  const host = request?.fields.find(([name]) => name === "host")?.[1] ?? "";
  return [
    ...aligned([[`${id} (${way.join(", ")})`]], 2),
    ...aligned([request === null ? ["not asked"] : [request.method, request.target]], 4),
    // Mostly it is that of the upstream's own URL.
    ...(host === "" || id.includes(`//${host}`) ? [] : aligned([["Host:", host]], 4)),
  ];
}
