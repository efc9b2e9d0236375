import { gatewayPlaces, notGateway, reasonOf } from "./running_gateway.ts";
import { fail, print } from "./terminal.ts";

const TIMEOUT_MS = 3_000;

/** How `usher health` is asked. */
export interface HealthFlags {
  /** Configuration that the gateway was started with. */
  readonly config?: string;
  /** URL of its admin address. */
  readonly admin?: string;
}

/**
 * `usher health`: asks the running gateway whether it is ready, and nothing else. What stands in the file now is the next start's
 * or reload's matter. A health check runs every few seconds: it loads a hundredth of what the gateway is made of.
 */
export async function health({ config, admin }: HealthFlags): Promise<number> {
  const places = admin === undefined ? gatewayPlaces(config) : [{ url: admin }];
  const tried = new Set<string>();
  let problem = "";
  for await (const { url } of places) {
    if (tried.has(url)) continue;
    tried.add(url);
    try {
      const response = await fetch(`${url}/ready`, { signal: AbortSignal.timeout(TIMEOUT_MS), redirect: "manual" });
      const text = (await response.text()).slice(0, 1_000);
      // Another program may have taken the place of a gateway that is no more.
      if (!/^\{"status":"(?:ready|no worker serves)"\}/.test(text)) {
        problem = notGateway(url, response.status);
        continue;
      }
      print(text);
      return response.ok ? 0 : 1;
    } catch (error) {
      problem = `No gateway answers at ${url}: ${reasonOf(error)}`;
    }
  }
  return fail(problem);
}

/**
 * The flags of a plain `health [--config FILE]`, read without the parser of command lines, which costs as much as the rest; `null`
 * for every other form.
 */
export function plainHealthFlags(args: readonly string[]): HealthFlags | null {
  if (args.length === 0) return {};
  const joined = /^--config=(.+)$/s.exec(args[0]!)?.[1];
  if (args.length === 1 && joined !== undefined) return { config: joined };
  const [name, value = ""] = args;
  const isNamed = args.length === 2 && (name === "--config" || name === "-c") && value !== "" && !value.startsWith("-");
  return isNamed ? { config: value } : null;
}
