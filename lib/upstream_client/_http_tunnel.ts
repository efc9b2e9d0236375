import { Buffer } from "node:buffer";
import { authorityOf, type EgressProxy, proxyAuthorization, proxyFailure, targetFailure } from "./_egress_proxy.ts";
import type { TunnelTarget } from "./_egress_proxy.ts";
import { findHeadEnd, parseResponseHead, type ResponseHead } from "./_response_head.ts";
import { type Duplex, writeAll } from "./_socket.ts";
import type { UpstreamFailure } from "./transport.ts";

/** A proxy has little to say before a tunnel is open; more is a fault or an attack. */
const MAX_ANSWER_BYTES = 16 * 1024;
/** Interim responses before the final one. */
const MAX_INTERIM_RESPONSES = 4;

function requestText(proxy: EgressProxy, target: TunnelTarget): string {
  const authority = authorityOf(target);
  const authorization = proxyAuthorization(proxy);
  const credentials = authorization === null ? "" : `Proxy-Authorization: ${authorization}\r\n`;
  return `CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n${credentials}\r\n`;
}

/** What a proxy answers, read piece by piece. */
class Answer {
  readonly #bytes = new Uint8Array(MAX_ANSWER_BYTES);
  #start = 0;
  #end = 0;

  constructor(readonly socket: Duplex, readonly proxy: EgressProxy) {}

  /** Whether more has been read than was asked for. */
  get hasRest(): boolean {
    return this.#start < this.#end;
  }

  async readHead(): Promise<ResponseHead> {
    for (let scannedBytes = 0;;) {
      const headBytes = findHeadEnd(this.#bytes.subarray(this.#start, this.#end), scannedBytes);
      if (headBytes >= 0) return this.#takeHead(headBytes);
      scannedBytes = this.#end - this.#start;
      await this.#fill();
    }
  }

  #takeHead(headBytes: number): ResponseHead {
    const { buffer } = this.#bytes;
    const text = Buffer.from(buffer, this.#start, headBytes).toString("latin1");
    this.#start += headBytes;
    return parseResponseHead(text);
  }

  async #fill(): Promise<void> {
    if (this.#end === MAX_ANSWER_BYTES) throw proxyFailure(this.proxy, `answer over ${MAX_ANSWER_BYTES} bytes`);
    const count = await this.socket.read(this.#bytes.subarray(this.#end));
    if (count === null) throw proxyFailure(this.proxy, "connection closed without an answer to CONNECT");
    this.#end += count;
  }
}

async function readFinalHead(answer: Answer): Promise<ResponseHead> {
  for (let interim = 0; interim <= MAX_INTERIM_RESPONSES; interim++) {
    const head = await answer.readHead();
    if (head.status >= 200) return head;
  }
  throw proxyFailure(answer.proxy, `more than ${MAX_INTERIM_RESPONSES} interim responses`);
}

/** Statuses by which a proxy speaks of the way behind it (RFC 9110 §15.6.3, §15.6.5). */
const TARGET_STATUSES: ReadonlySet<number> = new Set([502, 503, 504]);

function refusal(proxy: EgressProxy, target: TunnelTarget, status: number): UpstreamFailure {
  if (TARGET_STATUSES.has(status)) return targetFailure(proxy, target, `status ${status}`);
  const authority = authorityOf(target);
  if (status !== 407) return proxyFailure(proxy, `CONNECT ${authority} refused with status ${status}`);
  return proxyFailure(proxy, proxy.credentials === null ? "wants credentials (407)" : "credentials refused (407)");
}

/**
 * Makes an HTTP proxy connect its connection to `target` (RFC 9110 §9.3.6). Afterwards every byte is the target's.
 *
 * @throws {UpstreamFailure} `proxy`, `connect`; `protocol` where the answer is not HTTP
 */
export async function openHttpTunnel(socket: Duplex, proxy: EgressProxy, target: TunnelTarget): Promise<void> {
  await writeAll(socket, new TextEncoder().encode(requestText(proxy, target)));
  const answer = new Answer(socket, proxy);
  const { status } = await readFinalHead(answer);
  if (status >= 300) throw refusal(proxy, target, status);
  // The target speaks only when spoken to: what comes now would be taken for the answer to the first request.
  if (answer.hasRest) throw proxyFailure(proxy, "bytes after the answer to CONNECT");
}
