/** One way in which one of two upstreams fails. */
export interface Scenario {
  readonly name: string;
  /** A signal for its process, or how it answers. */
  readonly fault: { readonly signal: Deno.Signal } | { readonly mode: string };
  /** Bodies larger than what is read whole before it is passed on: a break shows as an aborted connection. */
  readonly streams?: boolean;
}

/** What `deno task chaos:upstreams` runs, in the order of its table. */
export const scenarios: readonly Scenario[] = [
  { name: "nothing (for comparison)", fault: { mode: "well" } },
  { name: "killed (SIGKILL)", fault: { signal: "SIGKILL" } },
  { name: "stopped, hangs (SIGSTOP)", fault: { signal: "SIGSTOP" } },
  { name: "answers 503", fault: { mode: "503" } },
  { name: "answers 429, Retry-After: 5", fault: { mode: "429" } },
  { name: "answers a block page", fault: { mode: "block-page" } },
  { name: "resets in the body", fault: { mode: "reset" } },
  { name: "resets in a streamed body", fault: { mode: "reset" }, streams: true },
  { name: "first byte after 1.5 s", fault: { mode: "slow-first-byte" } },
  { name: "body takes 1.5 s", fault: { mode: "slow-body" } },
];

/** Bytes of a body that is streamed. */
const STREAMED_BYTES = 400_000;

/** The body that belongs to a target: each is another, so that a mix-up shows. */
export function bodyOf(target: string): string {
  const text = JSON.stringify({ target, text: "0123456789".repeat(40) });
  return target.startsWith("/large/") ? text.padEnd(STREAMED_BYTES, " ") : text;
}
