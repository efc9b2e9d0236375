/** An environment variable; one that the process may not read is as good as not set, and Deno does not ask the terminal for it. */
export function readEnv(name: string): string | undefined {
  const isAllowed = Deno.permissions.querySync({ name: "env", variable: name }).state === "granted";
  return isAllowed ? Deno.env.get(name) : undefined;
}

/** Variables that the system, the runtime and programs that it loads go by: they stay where they are, whoever names them. */
const KEPT =
  /^(?:PATH|HOME|USER|LOGNAME|SHELL|PWD|HOSTNAME|TMPDIR|TEMP|TMP|TZ|LANG|TERM|NO_COLOR|LOCALAPPDATA|USERPROFILE|USHER_RUN_DIR)$|^(?:LC|XDG|DENO|NODE|SSL|LD|VIPS)_/;

/**
 * The environment as a configuration reads it. What a configuration names may be a secret, so it is taken out of the process once it
 * is known, before anything else runs there (native code, packages), and kept here for the next reload.
 */
export class HeldEnvironment {
  readonly #held = new Map<string, string>();
  readonly #named = new Set<string>();

  /** A variable, also one that was taken out. */
  readonly get = (name: string): string | undefined => {
    this.#named.add(name);
    return this.#held.get(name) ?? readEnv(name);
  };

  /** Takes every variable that was asked for so far out of the process. */
  takeOut(): void {
    for (const name of this.#named) {
      const value = KEPT.test(name) ? undefined : readEnv(name);
      if (value === undefined) continue;
      this.#held.set(name, value);
      Deno.env.delete(name);
    }
  }
}
