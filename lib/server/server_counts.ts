import type { RefusalStatus } from "../wire/wire_error.ts";

/** Counters of a server since its start; `open…` are current numbers. */
export interface ServerCounts {
  /** Connections accepted, those refused included. */
  accepted: number;
  openConnections: number;
  openTunnels: number;
  /** Refused at the limit of all workers' connections. */
  refusedFull: number;
  /** Refused at the limit of their address. */
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
  /** Closed since they read slowly and kept too much in memory. */
  cutOffReaders: number;
  tunnelTimeouts: number;
  /** Times that reading stopped at the limit of pipelined requests. */
  pipelineFull: number;
  /** Requests refused for the length of their target. */
  targetsTooLong: number;
  /** Requests refused for the number or size of their fields. */
  fieldsTooLarge: number;
  /** Requests refused for all other breaches of the grammar. */
  malformed: number;
  /** Handlers that threw, and invalid replies. */
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
    cutOffReaders: 0,
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
