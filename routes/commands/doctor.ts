import { checkReport } from "./check_report.ts";
import { parseDurationMs } from "../../lib/config/yaml/units.ts";
import { diagnose, type Diagnosis } from "../../lib/inspect/doctor.ts";
import type { Finding } from "../../lib/inspect/finding.ts";
import { CLIENT_WORDS } from "../../lib/clients/client_table.ts";
import { WAYS } from "../../lib/clients/client.ts";
import { CLIENT_OPTIONS, clientOrder, doctorClient } from "./doctor_client.ts";
import { findingLines, verdict } from "./finding_lines.ts";
import { heldByGateway } from "./check_ports.ts";
import { type Command, Misuse, readArguments, unknown } from "./command.ts";
import { load } from "./config_file.ts";
import { configFile } from "./config_path.ts";
import { fail, print } from "./terminal.ts";
import { aligned, type Paint, painter } from "./text_layout.ts";

const USAGE = `usage: usher doctor [--config FILE] [--pool NAME] [--timeout 5s] [--json]
       usher doctor --client NAME [--way WAY] [--host NAME] [--token T] [--ca FILE] [--name-server ADDRESS] …

  Checks every upstream (name, IPv4, IPv6, TLS, proxy, health check, keys) and this machine, and says what to do.
  Upstreams are asked for their health check alone. Exits with 0 if nothing fails, with 1 if something does.
  With --client it goes the way of that client into the gateway that runs: names, connection, certificate, a document, a
  picture of its sizes, and what the client stumbles over.

  --config, -c FILE   the configuration; - is standard input
  --pool NAME         this pool alone
  --client NAME       ${CLIENT_WORDS.slice(0, 9).join(", ")},
                      ${CLIENT_WORDS.slice(9).join(", ")}
  --way WAY           ${WAYS.join(", ")}; the best of the client's that is open, else
  --host NAME         the name or address that the client is told for this machine
  --token T           what the client has for a listener or a forward proxy that is closed, also USHER_CLIENT_TOKEN
  --ca FILE           an authority to trust, beside that of the configuration's certificates
  --name-server A     ask this name server, the client's, where names lead
  --timeout TIME      of each step, up to 60s; 5s by default
  --json              for programs
`;

const DEFAULT_TIMEOUT_MS = 5_000;
const MAX_TIMEOUT_MS = 60_000;

/** `usher doctor`: checks upstreams and machine, and prints what is wrong and what to do about it. */
export const doctorCommand: Command = {
  summary: "check every upstream and this machine, and say what to do",
  usage: USAGE,
  async run(args) {
    const { json, timeoutMs, pool, config, client } = readOrder(args);
    const loaded = await load(configFile("doctor", config));
    if (!loaded.ok) return fail(checkReport(loaded));
    if (client !== null) return await doctorClient(loaded, { ...client, timeoutMs, json });
    const names = loaded.config.pools.map(({ name }) => name);
    if (pool !== null && !names.includes(pool)) {
      throw new Misuse(
        `${unknown("pool", pool, names)}; there ${names.length === 1 ? "is" : "are"} ${names.join(", ")}`,
      );
    }
    const { held, peers } = await heldByGateway(config);
    const diagnosis = await diagnose(loaded, { pool, timeoutMs, held, peers });
    print(json ? JSON.stringify(diagnosis, null, 2) : doctorReport(diagnosis));
    return diagnosis.summary.fail === 0 ? 0 : 1;
  },
};

/** @throws {Misuse} */
function readOrder(args: readonly string[]) {
  const { values } = readArguments(args, {
    config: { type: "string", short: "c" },
    pool: { type: "string" },
    timeout: { type: "string" },
    json: { type: "boolean" },
    ...CLIENT_OPTIONS,
  });
  const { config, pool = null, json = false, timeout } = values;
  if (pool !== null && values.client !== undefined) throw new Misuse("Give either --pool or --client");
  const timeoutMs = timeout === undefined ? DEFAULT_TIMEOUT_MS : parseDurationMs(timeout);
  if (timeoutMs === null || timeoutMs < 1 || timeoutMs > MAX_TIMEOUT_MS) {
    throw new Misuse(`--timeout wants a duration from 1ms to 60s, such as 5s, found "${timeout}"`);
  }
  return { config, pool, json, timeoutMs, client: clientOrder(values) };
}

/** A diagnosis for people: pool by pool, then the machine, each line with what to do about it. */
export function doctorReport({ file, warnings, pools, machine, summary }: Diagnosis, paint: Paint = painter()): string {
  const width = Math.max(0, ...[...pools.flatMap(allOf), ...machine].map(({ check }) => check.length));
  const lines = (findings: readonly Finding[]) => findings.flatMap((finding) => findingLines(finding, width, paint));
  return [
    ...warnings.flatMap((warning) => aligned([["warning:", warning]], 0)),
    `${file} is valid`,
    ...pools.flatMap(({ pool, type, upstreams, keys }) => [
      "",
      paint("strong", `Pool ${pool} (${type})`),
      ...upstreams.flatMap(({ id, findings }) => [`  ${id}`, ...lines(findings)]),
      ...(keys.length === 0 ? [] : ["  keys", ...lines(keys)]),
    ]),
    "",
    paint("strong", "This machine"),
    ...lines(machine),
    "",
    verdict(summary, paint),
  ].join("\n");
}

function allOf({ upstreams, keys }: Diagnosis["pools"][number]): Finding[] {
  return [...upstreams.flatMap(({ findings }) => findings), ...keys];
}
