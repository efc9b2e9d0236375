/** The suite's client as a process of its own: `suite_client.ts MODULES BASE` prints every case's result as JSON. */
import type { CaseResult, Kind, SuiteModules } from "./suite.ts";

interface SuiteCase {
  readonly id: string;
  readonly kind?: string;
  readonly browser_only?: boolean;
}

interface SuiteGroup {
  readonly tests: readonly SuiteCase[];
}

/** The older runner takes `fetch` as its second argument, the newer one finds it in the global scope. */
interface Runner {
  runTests(groups: readonly SuiteGroup[], ...rest: readonly unknown[]): Promise<void>;
  getResults(): Record<string, true | readonly [name: string, message: string]>;
}

const modules: SuiteModules = JSON.parse(Deno.args[0]!);
const base = Deno.args[1]!;
await Deno.stdout.write(new TextEncoder().encode(JSON.stringify(await runSuite())));
// The suite leaves connections open that would keep the process alive.
Deno.exit();

/** Runs every case. A case is passed by itself: those it depends on are cases too. */
async function runSuite(): Promise<CaseResult[]> {
  const { runTests, getResults } = await load<Runner>(modules.runner);
  const { default: groups } = await load<{ default: SuiteGroup[] }>(modules.cases);
  const surrogate = modules.surrogate === undefined
    ? []
    : [(await load<{ default: SuiteGroup }>(modules.surrogate)).default];
  const all = [...groups, ...surrogate];
  if (modules.fetch === "node-fetch") {
    const { default: fetch } = await load<{ default: unknown }>("node-fetch");
    await runTests(all, fetch, false, base);
  } else {
    // Cases about interim responses hand it a dispatcher, which the runtime's own knows nothing of.
    globalThis.fetch = (await load<{ fetch: typeof fetch }>("undici")).fetch;
    await runTests(all, false, base);
  }
  const results = getResults();
  const told = (group: SuiteGroup, part: CaseResult["part"]) =>
    group.tests.filter((test) => test.browser_only !== true).map((test): CaseResult => {
      const result = results[test.id];
      const problem = result === true ? "" : result === undefined ? "not run" : `${result[0]}: ${result[1]}`;
      return { id: test.id, part, kind: kindOf(test), passed: result === true, problem };
    });
  return [
    ...groups.flatMap((group) => told(group, "http")),
    ...surrogate.flatMap((group) => told(group, "surrogate")),
  ];
}

function kindOf({ kind }: SuiteCase): Kind {
  if (kind === "optimal") return "optional";
  return kind === "check" ? "check" : "required";
}

/** The name is known only at run time, so that neither the type check nor the lock file needs the package. */
async function load<T>(specifier: string): Promise<T> {
  return await import(specifier) as T;
}
