import assert from "node:assert/strict";
import { isInstalled } from "../house/test_command.ts";

/** Debian's linters that the tests run where they are installed; each is a package of that name, `systemd-analyze` one of systemd's. */
export type Linter = "shellcheck" | "yamllint" | "systemd-analyze";

/** Whether a linter is installed. */
export function hasLinter(linter: Linter): boolean {
  return isInstalled(`/usr/bin/${linter}`);
}

/** For the name of a test that needs it. */
export function without(linter: Linter): string {
  return hasLinter(linter) ? "" : ` (left out: Debian's ${linter} is not installed)`;
}

/** Runs a linter from the repository's root. @throws {assert.AssertionError} with what it found */
export async function lint(linter: Linter, args: readonly string[]): Promise<void> {
  const { code, stdout, stderr } = await new Deno.Command(`/usr/bin/${linter}`, { args: [...args] }).output();
  const text = new TextDecoder();
  assert.equal(code, 0, text.decode(stdout) + text.decode(stderr));
}
