import { z } from "zod";
import { endpoint } from "./endpoint.ts";
import { Problem } from "./problem.ts";

/** A listener as it is shown. */
export const LISTENER = z.looseObject({
  name: z.string(),
  listen: z.string(),
  hosts: z.array(z.string()),
  prefix: z.string(),
  pool: z.string(),
  requests: z.int(),
  in_flight: z.int(),
});

/** The listeners, with what they have answered. */
export const LISTENER_ENDPOINTS = [
  endpoint({
    method: "GET",
    path: "/listeners",
    role: "read",
    summary: "Every listener with its counts",
    answer: z.array(LISTENER),
    handle: async ({ view }) => (await view.status()).listeners,
  }),
  endpoint({
    method: "GET",
    path: "/listeners/{name}",
    role: "read",
    summary: "One listener with its counts",
    params: z.object({ name: z.string() }),
    answer: LISTENER,
    problems: { 404: "There is no such listener" },
    async handle({ view, params: { name } }) {
      const found = (await view.status()).listeners.find((listener) => listener.name === name);
      if (found === undefined) throw new Problem(404, `There is no listener called "${name}"`);
      return found;
    },
  }),
];
