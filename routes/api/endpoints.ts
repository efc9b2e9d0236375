import { z } from "zod";
import manifest from "../../deno.json" with { type: "json" };
import { CACHE_ENDPOINTS } from "./cache.ts";
import { CLIENT_ENDPOINTS } from "./clients.ts";
import { CONFIGURATION_ENDPOINTS } from "./configuration.ts";
import { type Endpoint, endpoint } from "./endpoint.ts";
import { EVENT_ENDPOINTS } from "./events.ts";
import { JOB_ENDPOINTS } from "./jobs.ts";
import { LISTENER_ENDPOINTS } from "./listeners.ts";
import { openApiDocument } from "./openapi.ts";
import { POOL_ENDPOINTS } from "./pools.ts";
import { PROCESS_ENDPOINTS } from "./process.ts";
import { USAGE_ENDPOINTS } from "./usage.ts";
import { SIGHT_ENDPOINTS } from "./sight.ts";
import { REQUEST_ENDPOINTS } from "./requests.ts";

/** Every endpoint of the API; the last one describes them all. */
export const ENDPOINTS: readonly Endpoint[] = [
  ...PROCESS_ENDPOINTS,
  ...CONFIGURATION_ENDPOINTS,
  ...LISTENER_ENDPOINTS,
  ...POOL_ENDPOINTS,
  ...CACHE_ENDPOINTS,
  ...REQUEST_ENDPOINTS,
  ...JOB_ENDPOINTS,
  ...USAGE_ENDPOINTS,
  ...SIGHT_ENDPOINTS,
  ...CLIENT_ENDPOINTS,
  ...EVENT_ENDPOINTS,
  endpoint({
    method: "GET",
    path: "/openapi.json",
    role: "read",
    summary: "This document",
    answer: z.looseObject({ openapi: z.string() }),
    handle: () => document ??= { openapi: "", ...openApiDocument(ENDPOINTS, manifest.version) },
  }),
];

/** Made when it is first asked for: a start does not wait for it. */
let document: { readonly openapi: string } | undefined;
