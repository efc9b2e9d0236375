/** The suite's origin as a process of its own: `suite_origin.ts MODULES`; `npm_config_port` says where it listens. */
import type { SuiteModules } from "./suite.ts";

const { origin }: SuiteModules = JSON.parse(Deno.args[0]!);
await import(origin);
