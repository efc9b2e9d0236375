import type { Context } from "hono";

/** Who asks, for the audit line: the address of the connection, and whether a token was given; never the token. */
export function actorOf(context: Context): string {
  const remote = (context.env as { readonly remote?: string } | undefined)?.remote ?? "unknown";
  return context.req.header("authorization") === undefined ? remote : `${remote} with a token`;
}
