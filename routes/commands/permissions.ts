import { fail } from "./terminal.ts";

/** Commands that send nothing, or whose addresses may be narrowed. */
const NARROWED: ReadonlySet<string> = new Set([
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
  if (missing.length === 0) return true;
  const flags = missing.map((name) => `--allow-${name}`).join(" ");
  fail(`Deno was not given ${flags}: \`deno task usher ${command}\` gives what is needed, and --no-prompt`);
  return false;
}

function isGranted(permission: Deno.PermissionDescriptor): boolean {
  return Deno.permissions.querySync(permission).state === "granted";
}
