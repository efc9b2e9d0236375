import { expandVariables } from "./expand_variables.ts";

/** A value with the place it stands at; both numbers are counted from 1. */
export interface DotenvValue {
  readonly value: string;
  readonly line: number;
  readonly column: number;
}

/** What is wrong with a line. */
export interface DotenvProblem {
  readonly line: number;
  readonly column: number;
  readonly message: string;
}

/** What a `.env` file holds. */
export interface Dotenv {
  readonly variables: ReadonlyMap<string, DotenvValue>;
  readonly problems: readonly DotenvProblem[];
}

const MAX_VARIABLES = 10_000;
const LINE = /^(\s*(?:export\s+)?)([^\s=#]+)\s*=[ \t]*([^]*)$/;
const NAME = /^[A-Za-z_][\w.-]*$/;

/**
 * Reads a `.env` file as Docker Compose does: `NAME=value` lines, `export`, comments, quotes (single ones keep everything as
 * it is), and `${…}` of what stands before it or in `outer`. The last of two lines with one name counts.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { parseDotenv } from "./dotenv.ts";
 *
 * const { variables } = parseDotenv('PORT=6635 # the port\nURL="http://${HOST:-localhost}:$PORT"', () => undefined);
 * assert.equal(variables.get("URL")?.value, "http://localhost:6635");
 * assert.equal(variables.get("URL")?.line, 2);
 * ```
 */
export function parseDotenv(text: string, outer: (name: string) => string | undefined): Dotenv {
  const variables = new Map<string, DotenvValue>();
  const problems: DotenvProblem[] = [];
  for (const [index, raw] of text.replace(/^\ufeff/, "").split(/\r\n|\r|\n/).entries()) {
    const line = index + 1;
    if (/^\s*(?:#|$)/.test(raw)) continue;
    const [, before = "", name = "", rest = ""] = LINE.exec(raw) ?? [];
    const column = before.length + 1;
    const problem = (message: string) => void problems.push({ line, column, message });
    if (!NAME.test(name)) {
      problem("found a line that is no NAME=value expected one: left out");
    } else if (variables.size >= MAX_VARIABLES) {
      problem(`found more than ${MAX_VARIABLES} variables: the rest is left out`);
      break;
    } else {
      const get = (wanted: string) => outer(wanted) ?? variables.get(wanted)?.value;
      variables.set(name, { value: valueOf(rest, { get, problem }), line, column });
    }
  }
  return { variables, problems };
}

/** The value of what stands behind `=`. */
function valueOf(rest: string, lookup: Parameters<typeof expandVariables>[1]): string {
  const single = /^'([^']*)'/.exec(rest);
  if (single !== null) return single[1]!;
  const double = /^"((?:[^"\\]|\\.)*)"/.exec(rest);
  if (double === null) return expandVariables(rest.replace(/(?:^|\s)#.*$/, "").trim(), lookup);
  const escapes: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t" };
  return expandVariables(double[1]!.replace(/\\(["\\nrt])/g, (_, letter) => escapes[letter] ?? letter), lookup);
}
