import { messageOf } from "../../lib/errors.ts";
import { parseArgs, type ParseArgsOptionsConfig } from "node:util";
import { nearest } from "../../lib/config/yaml/nearest.ts";
import { redact } from "../../lib/logging/redact.ts";
import type { Beside } from "../dashboard/dashboard.ts";
import { fail } from "./terminal.ts";

/** One word of the command line. */
export interface Command {
  /** What it does, in some words: a line of `usher help`. */
  readonly summary: string;
  /** How it is called: what `--help` prints, and what follows a mistake. */
  readonly usage: string;
  /**
   * Runs it; answers the process's exit status. `workerUrl` is the module that workers start from, `beside` is served on the admin
   * address beside what is always there.
   *
   * @throws {Misuse} when the arguments cannot be understood
   */
  readonly run: (args: readonly string[], workerUrl: URL, beside?: Beside) => Promise<number> | number;
}

/** Exit status of a command line that cannot be understood, for every command. */
export const MISUSED = 2;

/** A command line that cannot be understood; the message is for the user. */
export class Misuse extends Error {
  override readonly name = "Misuse";
}

/** Prints what is wrong with a command line and how it is to be; answers {@linkcode MISUSED}. */
export function misused(problem: string, usage: string): number {
  fail(`${problem}\n\n${usage}`);
  return MISUSED;
}

/**
 * Prints why a command could not do its work; answers the exit status of failure.
 *
 * @throws {Misuse} where that is the reason: it is not for here
 */
export function failed(error: unknown): number {
  if (error instanceof Misuse) throw error;
  return fail(messageOf(error));
}

/** What is asked of a command in place of its work, in the arguments behind its name; `null` where nothing is. */
export function askedInstead(args: readonly string[]): "help" | "version" | null {
  const end = args.indexOf("--");
  const options = end < 0 ? args : args.slice(0, end);
  if (options.includes("--help") || options.includes("-h")) return "help";
  return options.includes("--version") || options.includes("-V") ? "version" : null;
}

/** A word that is not known, and the one that was most likely meant. */
export function unknown(kind: string, name: string, known: readonly string[]): string {
  const near = nearest(name, known);
  return `There is no ${kind} "${redact(name.slice(0, 100))}"${near === null ? "" : `; did you mean "${near}"?`}`;
}

/**
 * Reads a command's options; `positionals` is how many arguments without a name it takes at most.
 *
 * @throws {Misuse} on an option that is not known, one without its value, with an empty one or one too many, and on further arguments
 */
export function readArguments<T extends ParseArgsOptionsConfig>(args: readonly string[], options: T, positionals = 0) {
  try {
    const parsed = parseArgs({ args: [...args], options, allowPositionals: true });
    const extra = parsed.positionals[positionals];
    if (extra !== undefined) throw new Misuse(`Unexpected argument "${redact(extra.slice(0, 100))}"`);
    // What a shell makes of a variable that is not set.
    const empty = Object.entries(parsed.values).find(([, value]) => value === "");
    if (empty !== undefined) throw new Misuse(`--${empty[0]} wants a value, found ""`);
    return parsed;
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    const option = /^Unknown option '(--?[^']*)'/.exec(error.message)?.[1];
    if (option === undefined) throw new Misuse(redact(error.message));
    throw new Misuse(unknown("option", option, Object.keys(options).map((name) => `--${name}`)));
  }
}
