import { parseArgs } from "node:util";
import { checkReport } from "../../lib/config/check.ts";
import { nearest } from "../../lib/config/nearest.ts";
import { parseDurationMs } from "../../lib/config/units.ts";
import { diagnose } from "../../lib/workers/doctor.ts";
import { defaultConfig, load, shown, typedPath } from "./config_file.ts";
import { doctorReport } from "./doctor_report.ts";
import { fail, print } from "./terminal.ts";

/** How `usher doctor` is called. */
export const DOCTOR_USAGE = `usage: usher doctor [--config FILE] [--pool NAME] [--timeout 5s] [--json]

  Checks every upstream (name, IPv4, IPv6, TLS, proxy, health check, keys) and this machine, and says what to do.
  Upstreams are asked for their health check alone. Exits with 0 if nothing fails, with 1 if something does.
`;

/** Exit status of a command line that cannot be understood. */
const MISUSED = 2;
const DEFAULT_TIMEOUT_MS = 5_000;
const MAX_TIMEOUT_MS = 60_000;

/** `usher doctor`: checks upstreams and machine, and prints what is wrong and what to do about it. */
export async function doctorCommand(args: readonly string[]): Promise<number> {
  let asked: ReturnType<typeof readArguments>;
  try {
    asked = readArguments(args);
  } catch (error) {
    return misused(error instanceof Error ? error.message : String(error));
  }
  if (asked === null) return print(DOCTOR_USAGE.trimEnd());
  const { json, timeoutMs, pool } = asked;
  const loaded = await load(asked.config === undefined ? defaultConfig("doctor") : shown(typedPath(asked.config)));
  if (!loaded.ok) return fail(checkReport(loaded));
  const names = loaded.config.pools.map(({ name }) => name);
  if (pool !== null && !names.includes(pool)) {
    const near = nearest(pool, names);
    return misused(
      `There is no pool "${pool}"${near === null ? `: there are ${names.join(", ")}` : `; did you mean "${near}"?`}`,
    );
  }
  const diagnosis = await diagnose(loaded, { pool, timeoutMs });
  print(json ? JSON.stringify(diagnosis, null, 2) : doctorReport(diagnosis));
  return diagnosis.summary.fail === 0 ? 0 : 1;
}

function misused(problem: string): number {
  fail(`${problem}\n\n${DOCTOR_USAGE}`);
  return MISUSED;
}

/** The command line; `null` where it asks for help. @throws {TypeError} where it cannot be understood */
function readArguments(args: readonly string[]) {
  const { values } = parseArgs({
    args: [...args],
    options: {
      config: { type: "string", short: "c" },
      pool: { type: "string" },
      timeout: { type: "string" },
      json: { type: "boolean" },
      help: { type: "boolean", short: "h" },
    },
  });
  if (values.help) return null;
  const { config, pool = null, json = false, timeout } = values;
  const timeoutMs = timeout === undefined ? DEFAULT_TIMEOUT_MS : parseDurationMs(timeout);
  if (timeoutMs === null || timeoutMs < 1 || timeoutMs > MAX_TIMEOUT_MS) {
    throw new TypeError(`--timeout wants a duration from 1ms to 60s, such as 5s, found "${timeout}"`);
  }
  return { config, pool, json, timeoutMs };
}
