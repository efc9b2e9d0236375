import { Buffer } from "node:buffer";
import { writeAll } from "../wire/byte_stream.ts";
import { findHeadEnd } from "../wire/head_end.ts";
import { parseResponseHead } from "../wire/response_head.ts";
import { WireError } from "../wire/wire_error.ts";
import {
  authorityOf,
  type EgressProxy,
  proxyAuthorization,
  proxyFailure,
  targetFailure,
  type TunnelTarget,
} from "./_egress_proxy.ts";
import type { Duplex } from "./_socket.ts";
import type { UpstreamFailure } from "./transport.ts";

/** Largest answer of a proxy before a tunnel is open. */
const MAX_ANSWER_BYTES = 16 * 1024;
const MAX_ANSWER_LINES = 64;
/** Interim responses before the final one. */
const MAX_INTERIM_RESPONSES = 4;

function requestText(proxy: EgressProxy, target: TunnelTarget): string {
  const authority = authorityOf(target);
  const authorization = proxyAuthorization(proxy);
  const credentials = authorization === null ? "" : `Proxy-Authorization: ${authorization}\r\n`;
  return `CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n${credentials}\r\n`;
}

/**
 * Reads the status of the final response. Bytes behind it are refused: they would be taken for the answer to the first request.
 *
 * @throws {WireError} where it is not HTTP
 */
async function readStatus(socket: Duplex, proxy: EgressProxy): Promise<number> {
  const bytes = Buffer.from(new Uint8Array(MAX_ANSWER_BYTES).buffer);
  let interim = 0;
  let start = 0;
  let end = 0;
  for (let scannedTo = 0;;) {
    const headEnd = findHeadEnd(bytes, start, end, scannedTo);
    if (headEnd < 0) {
      scannedTo = end;
      end += await readMore(socket, proxy, bytes.subarray(end));
      continue;
    }
    const { status } = parseResponseHead(bytes, start, headEnd, MAX_ANSWER_LINES);
    if (status >= 300) return status;
    if (status >= 200 && headEnd < end) throw proxyFailure(proxy, "bytes after the answer to CONNECT");
    if (status >= 200) return status;
    if (interim++ === MAX_INTERIM_RESPONSES) {
      throw proxyFailure(proxy, `more than ${MAX_INTERIM_RESPONSES} interim responses`);
    }
    start = scannedTo = headEnd;
  }
}

async function readMore(socket: Duplex, proxy: EgressProxy, target: Uint8Array): Promise<number> {
  if (target.length === 0) throw proxyFailure(proxy, `answer over ${MAX_ANSWER_BYTES} bytes`);
  const count = await socket.read(target);
  if (count === null) throw proxyFailure(proxy, "connection closed without an answer to CONNECT");
  return count;
}

/** Statuses by which a proxy reports a failure behind it (RFC 9110 §15.6.3, §15.6.5). */
const TARGET_STATUSES: ReadonlySet<number> = new Set([502, 503, 504]);

function refusal(proxy: EgressProxy, target: TunnelTarget, status: number): UpstreamFailure {
  if (TARGET_STATUSES.has(status)) return targetFailure(proxy, target, `status ${status}`);
  const authority = authorityOf(target);
  if (status !== 407) return proxyFailure(proxy, `CONNECT ${authority} refused with status ${status}`);
  return proxyFailure(proxy, proxy.credentials === null ? "wants credentials (407)" : "credentials refused (407)");
}

/**
 * Opens a tunnel to `target` through an HTTP proxy (RFC 9110 §9.3.6). Later bytes are the target's.
 *
 * @throws {UpstreamFailure} `proxy`, `connect`
 */
export async function openHttpTunnel(socket: Duplex, proxy: EgressProxy, target: TunnelTarget): Promise<void> {
  await writeAll(socket, new TextEncoder().encode(requestText(proxy, target)));
  let status: number;
  try {
    status = await readStatus(socket, proxy);
  } catch (error) {
    throw error instanceof WireError ? proxyFailure(proxy, "its answer to CONNECT is not HTTP", error) : error;
  }
  if (status >= 300) throw refusal(proxy, target, status);
}
