import { promises as dns } from "node:dns";
import { within } from "../clock.ts";
import { messageOf } from "../errors.ts";
import { isIpLiteral, isPrivateAddress, isPublicName } from "./_address.ts";
import { type Endpoint, type Lookup, openSocket } from "./_dial.ts";
import { endpointOf, type Http1TransportOptions } from "./http1_transport.ts";
import { UpstreamFailure } from "./transport.ts";

/** Result of one step of connecting to an upstream. */
export interface ProbedStep {
  readonly durationMs: number;
  /** `null` where it succeeded. */
  readonly failure: UpstreamFailure | null;
}

/** Results for one address family. */
export interface ProbedFamily {
  readonly family: 4 | 6;
  /** Addresses of the name, or the given address. */
  readonly addresses: readonly string[];
  /** Addresses among them that a public name should not have, and that are not connected to. */
  readonly refused: readonly string[];
  /** The look-up; `null` where there was nothing to resolve. */
  readonly lookup: ProbedStep | null;
  /** `null` where there is no address to connect to. */
  readonly tcp: ProbedStep | null;
  /** TCP and TLS together; `null` where TLS is not spoken or TCP failed. */
  readonly tls: ProbedStep | null;
}

/** Results of a probe: by address family, or through the proxy. */
export type ProbedWay =
  | { readonly kind: "direct"; readonly host: string; readonly families: readonly ProbedFamily[] }
  | { readonly kind: "proxy"; readonly proxy: string; readonly whole: ProbedStep };

/** Dependencies of a probe. */
export interface ProbeDeps {
  /** For each step. */
  readonly timeoutMs: number;
  /**
   * The look-up of one family's addresses.
   * @default the system's look-up, hosts file included
   */
  readonly lookupOf?: (family: 4 | 6) => Lookup;
}

/**
 * Connects to an upstream step by step, by the code of a transport with these options. It sends no byte of a request. Never
 * throws: a failure is a result.
 *
 * @throws {RangeError} as the transport's constructor does
 */
export async function probeWay(options: Http1TransportOptions, deps: ProbeDeps): Promise<ProbedWay> {
  const endpoint = endpointOf(options);
  const { proxy, host } = endpoint;
  // Handshakes go through relays, so that one that hangs can be ended.
  for (const peer of [endpoint.tls, endpoint.proxyTls]) if (peer !== null) peer.relayUntilMs = Infinity;
  if (proxy !== null) {
    return { kind: "proxy", proxy: proxy.label, whole: await open(endpoint, deps.timeoutMs) };
  }
  const fixed = endpoint.address ?? (isIpLiteral(host) ? host : null);
  const families = fixed === null
    ? await Promise.all(([4, 6] as const).map((family) => probeFamily(endpoint, family, deps)))
    : [await probeAddress(endpoint, fixed, deps)];
  return { kind: "direct", host, families };
}

/** The system's look-up of one address family; empty where the name has none. */
function systemLookupOf(family: 4 | 6): Lookup {
  return async (name) => {
    try {
      return (await dns.lookup(name, { all: true, family })).map(({ address }) => address);
    } catch (error) {
      if (["ENOTFOUND", "ENODATA"].includes((error as { readonly code?: string }).code ?? "")) return [];
      throw error;
    }
  };
}

async function probeAddress(endpoint: Endpoint, address: string, { timeoutMs }: ProbeDeps): Promise<ProbedFamily> {
  const found = { family: address.includes(":") ? 6 : 4, addresses: [address], refused: [], lookup: null } as const;
  return { ...found, ...await connect(endpoint, [address], timeoutMs) };
}

async function probeFamily(endpoint: Endpoint, family: 4 | 6, deps: ProbeDeps): Promise<ProbedFamily> {
  const { host, allowPrivate } = endpoint;
  let addresses: string[] = [];
  const lookup = await step(deps.timeoutMs, async () => {
    addresses = await (deps.lookupOf ?? systemLookupOf)(family)(host);
  });
  const isRefused = (address: string) => !allowPrivate && isPublicName(host) && isPrivateAddress(address);
  const found = { family, addresses, refused: addresses.filter(isRefused), lookup };
  const usable = addresses.filter((address) => !isRefused(address));
  if (usable.length === 0) return { ...found, tcp: null, tls: null };
  return { ...found, ...await connect(endpoint, usable, deps.timeoutMs) };
}

/** Connects as the transport does, to these addresses only: by TCP, then with TLS. */
async function connect(
  endpoint: Endpoint,
  addresses: string[],
  timeoutMs: number,
): Promise<Pick<ProbedFamily, "tcp" | "tls">> {
  const lookup = () => Promise.resolve(addresses);
  // The addresses have been checked: the name is not resolved again.
  const there = { ...endpoint, address: addresses.length === 1 ? addresses[0]! : null, allowPrivate: true, lookup };
  const tcp = await open({ ...there, tls: null }, timeoutMs);
  const tls = endpoint.tls !== null && tcp.failure === null ? await open(there, timeoutMs) : null;
  return { tcp, tls };
}

async function open(endpoint: Endpoint, timeoutMs: number): Promise<ProbedStep> {
  return await step(timeoutMs, async (signal) => {
    (await openSocket(endpoint, signal)).close();
  });
}

/** Times a step. One that cannot be cancelled goes on, its result ignored. */
async function step(timeoutMs: number, work: (signal: AbortSignal) => Promise<void>): Promise<ProbedStep> {
  const startedAtMs = performance.now();
  const limit = new AbortController();
  const late = new UpstreamFailure("connect_timeout", `No answer within ${timeoutMs} ms`, false);
  const failure = await within(work(limit.signal).then(() => null, asFailure), timeoutMs, late);
  if (failure === late) limit.abort();
  return { durationMs: performance.now() - startedAtMs, failure };
}

function asFailure(error: unknown): UpstreamFailure {
  if (error instanceof UpstreamFailure) return error;
  return new UpstreamFailure("resolve", `Cannot connect: ${messageOf(error)}`, false, { cause: error });
}
