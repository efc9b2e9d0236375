import { checkReport } from "./check_report.ts";
import type { Loaded } from "../../lib/config/load.ts";
import { explain, type ExplainRequest } from "../../lib/inspect/explain.ts";
import { redact } from "../../lib/logging/redact.ts";
import { type Command, Misuse, readArguments } from "./command.ts";
import { load } from "./config_file.ts";
import { configFile } from "./config_path.ts";
import { explanationReport } from "./explain_report.ts";
import { fail, print } from "./terminal.ts";

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
    const explanation = await explain(loaded.config, asked.request, (...places) => ruleName(loaded, ...places));
    print(asked.json ? JSON.stringify(explanation, null, 2) : explanationReport(explanation));
    return explanation.served.length > 0 ? 0 : 1;
  },
};

function ruleName({ placeOf }: Loaded, listener: number, rule: number): string {
  return `rule ${rule + 1}, line ${placeOf(["listeners", listener, "cache", "rules", rule]).line}`;
}

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
function fieldsOf(lines: readonly string[]): Headers {
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

/**
 * The request that a URL or a path stands for.
 *
 * @throws {TypeError} it is neither
 */
export function explainRequest(typed: string, method: string, fields: Headers): ExplainRequest {
  const url = typed.trim().replace(/#.*$/s, "").toWellFormed().replace(/[^\x21-\x7e]/gu, encodeURIComponent);
  const named = fields.get("host");
  if (named !== null && !/^[\x21-\x7e]{1,300}$/.test(named)) throw new TypeError("The Host field holds no host");
  const rest = [...fields].filter(([name]) => name !== "host");
  if (url.startsWith("/")) return { method, to: null, authority: named, target: url, fields: rest };
  const match = /^(https?):\/\/([^/?#]*)(.*)$/i.exec(url);
  const to = match === null ? null : URL.parse(`${match[1]}://${match[2]}/`);
  if (match === null || to === null) throw new TypeError(notUrl(url));
  if (to.username !== "" || to.password !== "") {
    throw new TypeError("The URL has a user and a password: leave them out");
  }
  const [, scheme = "", , target = ""] = match;
  return {
    method,
    to: {
      hostname: to.hostname.replace(/^\[|\]$/g, ""),
      port: Number(to.port || (scheme.toLowerCase() === "https" ? 443 : 80)),
    },
    authority: named ?? to.host,
    target: target.startsWith("/") ? target : `/${target}`,
    fields: rest,
  };
}

function notUrl(typed: string): string {
  const shown = typed.length > 100 ? `${typed.slice(0, 100)}…` : typed;
  const hint = /^[a-z0-9.-]+(:\d+)?(\/|$)/i.test(typed) && !typed.includes("://")
    ? `: did you mean http://${shown}, or the path /${shown}?`
    : "";
  return `Found "${shown}", expected http://host:port/path or a path that begins with /${hint}`;
}
