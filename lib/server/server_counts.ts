import type { RefusalStatus } from "../wire/wire_error.ts";

/** What a server has met since it started, as plain numbers; `open…` are of this moment. */
export interface ServerCounts {
  /** Connections accepted, those refused included. */
  accepted: number;
  openConnections: number;
  openTunnels: number;
  /** Refused since all workers together had as many as they may. */
  refusedFull: number;
  /** Refused since their address had as many as it may. */
  refusedAddress: number;
  /** Closed for a PROXY header that was missing or malformed. */
  refusedProxyHeader: number;
  /** TLS handshakes that failed: no TLS, no version or protocol in common, a client that left or did not take the certificate. */
  handshakeFailures: number;
  handshakeTimeouts: number;
  /** `accept` failed, mostly for want of descriptors. */
  acceptErrors: number;
  requests: number;
  /** Requests whose client left before the reply was complete. */
  abortedRequests: number;
  headTimeouts: number;
  idleTimeouts: number;
  bodyTimeouts: number;
  sendTimeouts: number;
  tunnelTimeouts: number;
  /** Times that reading stopped since as many requests waited as may. */
  pipelineFull: number;
  /** Requests refused for the length of their target. */
  targetsTooLong: number;
  /** Requests refused for the number or size of their fields. */
  fieldsTooLarge: number;
  /** Requests refused for all other breaches of the grammar. */
  malformed: number;
  /** Handlers that threw, and replies that broke their own word. */
  faults: number;
}

/** Counts from zero. */
export function zeroCounts(): ServerCounts {
  return {
    accepted: 0,
    openConnections: 0,
    openTunnels: 0,
    refusedFull: 0,
    refusedAddress: 0,
    refusedProxyHeader: 0,
    handshakeFailures: 0,
    handshakeTimeouts: 0,
    acceptErrors: 0,
    requests: 0,
    abortedRequests: 0,
    headTimeouts: 0,
    idleTimeouts: 0,
    bodyTimeouts: 0,
    sendTimeouts: 0,
    tunnelTimeouts: 0,
    pipelineFull: 0,
    targetsTooLong: 0,
    fieldsTooLarge: 0,
    malformed: 0,
    faults: 0,
  };
}

/** Counts a message that was refused. */
export function countRefusal(counts: ServerCounts, status: RefusalStatus): void {
  if (status === 414) counts.targetsTooLong++;
  else if (status === 431) counts.fieldsTooLarge++;
  else if (status !== 408) counts.malformed++;
}
