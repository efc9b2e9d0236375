import type { Arrival } from "./arrival.ts";
import type { Reply } from "./reply.ts";

const PATH = "/.well-known/acme-challenge/";

const encoder = new TextEncoder();

/** What an authority that gives certificates asks for (RFC 8555 §8.3); `null` for all other requests, among them those for unknown tokens. */
export function challengeReply({ target, method }: Arrival, answers: ReadonlyMap<string, string>): Reply | null {
  // Nothing is asked for most of the time.
  if (answers.size === 0 || !target.startsWith(PATH) || (method !== "GET" && method !== "HEAD")) return null;
  const text = answers.get(target.slice(PATH.length));
  if (text === undefined) return null;
  const body = encoder.encode(text);
  return {
    status: 200,
    fixed: null,
    lines: "Content-Type: application/octet-stream\r\nCache-Control: no-store\r\n",
    hasDate: false,
    lengthBytes: body.length,
    body,
    onEnd: null,
  };
}
