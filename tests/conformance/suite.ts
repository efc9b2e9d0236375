/** The outside judge: an edition of the public HTTP cache suite on npm, fetched when it is run and by nothing else. */
export const SUITE = "npm:http-cache-tests@0.4.5";

/** The client that this edition was written for. */
const FETCH = "npm:node-fetch@2.7.0";

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

interface SuiteCase {
  readonly id: string;
  readonly kind?: string;
  readonly browser_only?: boolean;
}

interface SuiteGroup {
  readonly tests: readonly SuiteCase[];
}

interface Runner {
  runTests(groups: readonly SuiteGroup[], fetch: unknown, isBrowser: boolean, base: string): Promise<void>;
  getResults(): Record<string, true | readonly [name: string, message: string]>;
}

/** Runs every case against the cache at `base`. A case is passed by itself: those it depends on are cases too. */
export async function runSuite(base: string): Promise<CaseResult[]> {
  // The names are put together at run time, so that neither the type check nor the lock file needs the package.
  const { runTests, getResults } = await load<Runner>(`${SUITE}/client/runner.mjs`);
  const { default: groups } = await load<{ default: SuiteGroup[] }>(`${SUITE}/tests/index.mjs`);
  const { default: surrogate } = await load<{ default: SuiteGroup }>(`${SUITE}/tests/surrogate-control.mjs`);
  const { default: fetch } = await load<{ default: unknown }>(FETCH);
  await runTests([...groups, surrogate], fetch, false, base);
  const results = getResults();
  const told = (group: SuiteGroup, part: CaseResult["part"]) =>
    group.tests.filter((test) => test.browser_only !== true).map((test): CaseResult => {
      const result = results[test.id];
      const problem = result === true ? "" : result === undefined ? "not run" : `${result[0]}: ${result[1]}`;
      return { id: test.id, part, kind: kindOf(test), passed: result === true, problem };
    });
  return [...groups.flatMap((group) => told(group, "http")), ...told(surrogate, "surrogate")];
}

/** Starts the suite's origin in this process; where it listens is in the environment. */
export async function serveSuite(): Promise<void> {
  await load(`${SUITE}/server/server.mjs`);
}

function kindOf({ kind }: SuiteCase): Kind {
  if (kind === "optimal") return "optional";
  return kind === "check" ? "check" : "required";
}

async function load<T>(specifier: string): Promise<T> {
  return await import(specifier) as T;
}
