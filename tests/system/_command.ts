import { ROOT_URL } from "../house/syntax.ts";

/** A finished command. */
export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** How the program is started. */
export interface CommandOptions {
  /** @default the project's root */
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** @default nothing to read */
  readonly stdin?: "piped" | "null";
}

/** The command that runs `main.ts` with arguments, in another directory if wanted. */
export function mainCommand(args: readonly string[], options: CommandOptions = {}): Deno.Command {
  const main = new URL("main.ts", ROOT_URL);
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "--allow-net", "--allow-read", "--allow-env", "--allow-write", main.href, ...args],
    cwd: options.cwd ?? ROOT_URL,
    env: { NO_COLOR: "1", ...options.env },
    stdin: options.stdin ?? "null",
    stdout: "piped",
    stderr: "piped",
  });
}

/** Runs `main.ts` to its end. */
export async function runMain(args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  const { code, stdout, stderr } = await mainCommand(args, options).output();
  return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
}
