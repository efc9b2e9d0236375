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
  return moduleCommand("main.ts", args, options);
}

function moduleCommand(module: string, args: readonly string[], options: CommandOptions): Deno.Command {
  const { href } = new URL(module, ROOT_URL);
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "--allow-net", "--allow-read", "--allow-env", "--allow-write", href, ...args],
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

/** Runs many command lines one after the other in a process of its own. */
export async function runMany(
  lines: readonly (readonly string[])[],
  options: CommandOptions = {},
): Promise<CommandResult[]> {
  const mark = `-- ${crypto.randomUUID()}`;
  const command = moduleCommand("tests/system/_command_lines.ts", [mark, JSON.stringify(lines)], options);
  const { stdout, stderr } = await command.output();
  const parts = (bytes: Uint8Array) => new TextDecoder().decode(bytes).split(new RegExp(`${mark} (\\d+)\\n`));
  const [out, err] = [parts(stdout), parts(stderr)];
  if (out.length !== 2 * lines.length + 1) throw new Error(`It ended before its last line:\n${err.at(-1)}`);
  return lines.map((_, at) => ({ code: Number(out[2 * at + 1]), stdout: out[2 * at]!, stderr: err[2 * at]! }));
}
