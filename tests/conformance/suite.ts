import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

/** How much a case says: what HTTP demands, what a good cache does, or only what is so. */
export type Kind = "required" | "optional" | "check";

/** One case and how it ended. */
export interface CaseResult {
  readonly id: string;
  /** `surrogate`: not HTTP itself but Surrogate-Control, which later editions have no more. */
  readonly part: "http" | "surrogate";
  readonly kind: Kind;
  readonly passed: boolean;
  /** What was wrong; empty where it passed. */
  readonly problem: string;
}

/** Where the modules of an edition are, as specifiers; its two processes take them as one JSON argument. */
export interface SuiteModules {
  /** Starts the origin when it is imported; port and protocol are in the environment. */
  readonly origin: string;
  readonly runner: string;
  readonly cases: string;
  /** One more group of cases, which later editions have no more. */
  readonly surrogate?: string;
  /** `fetch` that the edition was written for. */
  readonly fetch: "undici" | "node-fetch";
}

/** An edition of the public HTTP cache suite. */
export interface Suite {
  readonly name: string;
  readonly modules: SuiteModules;
  /** The fewest cases that have to pass; where it is not given only cases without a reason fail the run. */
  readonly floor?: { readonly required: number; readonly optional: number };
}

/** The edition on npm, fetched when it is run and by nothing else. */
export function npmSuite(): Suite {
  const root = "npm:http-cache-tests@0.4.5";
  return {
    name: root,
    modules: {
      origin: `${root}/server/server.mjs`,
      runner: `${root}/client/runner.mjs`,
      cases: `${root}/tests/index.mjs`,
      surrogate: `${root}/tests/surrogate-control.mjs`,
      fetch: "node-fetch",
    },
  };
}

/** A checkout of `http-tests/cache-tests`, which is newer. @throws {Error} when the folder is none */
export async function checkoutSuite(directory: string): Promise<Suite> {
  const root = resolve(directory);
  const at = (path: string) => pathToFileURL(join(root, path)).href;
  try {
    await Deno.stat(join(root, "test-engine/client/runner.mjs"));
  } catch {
    throw new Error(
      `Cannot find a checkout of http-tests/cache-tests: ${JSON.stringify(directory)} has no test-engine`,
    );
  }
  return {
    name: `http-tests/cache-tests, ${await commitOf(root)}`,
    modules: {
      origin: at("test-engine/server/server.mjs"),
      runner: at("test-engine/client/runner.mjs"),
      cases: at("tests/index.mjs"),
      fetch: "undici",
    },
    floor: { required: 159, optional: 99 },
  };
}

async function commitOf(root: string): Promise<string> {
  const args = ["--git-dir", join(root, ".git"), "log", "-1", "--format=%h of %cs"];
  try {
    const { success, stdout } = await new Deno.Command("git", { args, stderr: "null" }).output();
    if (success) return `commit ${new TextDecoder().decode(stdout).trim()}`;
  } catch {
    // There is no git; the figures stand all the same.
  }
  return "commit unknown";
}

/** What one of a suite's two processes is started with. */
export interface SuiteProcessOptions {
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly stdout: "null" | "piped";
}

/** A checkout names its one package bare; neither this project's configuration nor the checkout's own takes part. */
const IMPORTS = { "undici": "npm:undici@7.30.2", "node-fetch": "npm:node-fetch@2.7.0" };

/** Starts `suite_origin.ts` or `suite_client.ts` with the modules of a suite. */
export function suiteProcess(script: string, suite: Suite, options: SuiteProcessOptions): Deno.ChildProcess {
  const map = `data:application/json,${encodeURIComponent(JSON.stringify({ imports: IMPORTS }))}`;
  const isolated = ["--no-config", "--no-lock", "--node-modules-dir=none", `--import-map=${map}`];
  const entry = new URL(script, import.meta.url).href;
  const args = ["run", "--quiet", "--no-prompt", "--allow-all", ...isolated, entry, JSON.stringify(suite.modules)];
  return new Deno.Command(Deno.execPath(), {
    args: [...args, ...options.args ?? []],
    env: { DENO_NO_PACKAGE_JSON: "1", ...options.env },
    stdin: "null",
    stdout: options.stdout,
  }).spawn();
}
