import { readEnv } from "../../lib/workers/supervisor/environment.ts";
import { fail } from "./terminal.ts";

/** Commands that send nothing, or whose addresses may be narrowed. */
const NARROWED: ReadonlySet<string> = new Set([
  "init",
  "start",
  "check",
  "explain",
  "schema",
  "reference",
  "migrate-env",
  "certs",
  "version",
  "help",
]);

/**
 * Whether a command may begin: on a terminal Deno asks for each permission that was not given, in the middle of the work, and holds up
 * signals meanwhile. Says what to give in place of that. Addresses and folders that were narrowed on purpose are looked at where they
 * are used.
 */
export function mayBegin(command: string, args: readonly string[], isTerminal = Deno.stdin.isTerminal()): boolean {
  if (!isTerminal) return true;
  const missing: string[] = [];
  if (!NARROWED.has(command) && !isGranted({ name: "net" })) missing.push("net");
  if (![".", ...args].some((path) => path !== "" && isGranted({ name: "read", path }))) missing.push("read");
  if (!isGranted({ name: "env" })) missing.push("env");
  if (missing.length === 0) return command !== "start" || mayStartNarrowed();
  const flags = missing.map((name) => `--allow-${name}`).join(" ");
  fail(`Deno was not given ${flags}: \`deno task usher ${command}\` gives what is needed, and --no-prompt`);
  return false;
}

/**
 * Whether a gateway that may use some addresses or folders alone may start on a terminal: its workers would stand still at the first
 * other one, until somebody answers. `--no-prompt` cannot be seen from here, its variable can.
 */
function mayStartNarrowed(): boolean {
  const narrowed = (["net", "read"] as const).filter((name) => !isGranted({ name }));
  if (narrowed.length === 0 || readEnv("DENO_NO_PROMPT") !== undefined) return true;
  const flags = narrowed.map((name) => `--allow-${name}`).join(" ");
  fail(
    `Deno was given a part of ${flags}, and would ask this terminal for the rest while it serves: set DENO_NO_PROMPT=1`,
  );
  return false;
}

function isGranted(permission: Deno.PermissionDescriptor): boolean {
  return Deno.permissions.querySync(permission).state === "granted";
}
