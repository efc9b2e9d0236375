import type { Input } from "./_input.ts";

/** What an HTTP/2 client sends first (RFC 9113 §3.4). */
const PREFACE = new TextEncoder().encode("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

/**
 * Waits for the client's connection preface, which stays in `input`. Answers whether it came. The runtime's server would take anything
 * else for HTTP/1.1 and parse it by rules that are not those of this server.
 */
export async function hasPreface(input: Input): Promise<boolean> {
  for (;;) {
    const { memory: { bytes }, start, length } = input;
    if (!PREFACE.subarray(0, length).every((byte, index) => byte === bytes[start + index])) return false;
    if (length >= PREFACE.length) return true;
    if (!input.took(await input.read())) return false;
  }
}
