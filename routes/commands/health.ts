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
 * `usher health`: asks the running gateway whether it is ready, and nothing else. The file as it is now is the next start's
 * or reload's matter. A health check runs every few seconds: it loads a hundredth of what the gateway is made of.
 */
export async function health({ config, admin }: HealthFlags): Promise<number> {
  const places = admin === undefined ? gatewayPlaces(config) : [{ url: admin, certificateFile: null }];
  const tried = new Set<string>();
  let problem = "";
  for await (const { url, certificateFile } of places) {
    if (tried.has(url)) continue;
    tried.add(url);
    try {
      const response = await ready(url, certificateFile);
      const text = response.text.slice(0, 1_000);
      // Another program may have taken the place of a gateway that is no more.
      if (!/^\{"status":"(?:ready|stopping|no worker serves|an address is not served)"\}/.test(text)) {
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

async function ready(url: string, certificateFile: string | null) {
  if (certificateFile !== null) {
    // Loaded only here: TLS costs more than all the rest.
    const { adminFetch } = await import("../../lib/workers/admin_fetch.ts");
    const asked = { method: "GET", headers: {}, body: undefined, timeoutMs: TIMEOUT_MS, certificateFile };
    return await adminFetch(`${url}/ready`, asked);
  }
  const response = await fetch(`${url}/ready`, { signal: AbortSignal.timeout(TIMEOUT_MS), redirect: "manual" });
  return { ok: response.ok, status: response.status, text: await response.text() };
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
