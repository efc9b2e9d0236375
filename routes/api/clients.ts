import { z } from "zod";
import { WAYS } from "../../lib/clients/client.ts";
import { hostOf } from "../../lib/http/target.ts";
import { clientSettings } from "../../lib/inspect/client_settings.ts";
import { endpoint } from "./endpoint.ts";

/** What to set in clients, for whoever has just started the gateway. */
export const CLIENT_ENDPOINTS = [
  endpoint({
    method: "GET",
    path: "/clients",
    role: "read",
    summary: "What to set in clients so that they ask this gateway, with the host of this request filled in",
    answer: z.object({
      host: z.string(),
      base_urls: z.array(z.object({ listener: z.string(), url: z.string() })),
      clients: z.array(z.object({
        client: z.string(),
        word: z.string(),
        way: z.enum(WAYS).nullable(),
        setting: z.string().nullable(),
        value: z.string().nullable(),
        needs: z.string(),
      })),
      notes: z.array(z.string()),
    }),
    handle: ({ view, request }) => clientSettings(view.config, hostIn(request)),
  }),
];

/** The host that a browser has found the gateway by. */
function hostIn(request: Request): string {
  const host = hostOf(request.headers.get("host") ?? "");
  return URL.canParse(`http://${host}/`) ? host : "127.0.0.1";
}
