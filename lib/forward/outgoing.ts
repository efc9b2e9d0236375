import { speaksForProxy } from "../forwarded_fields.ts";
import { endToEndFields, type Field, type Fields } from "../http/fields.ts";
import { forwardingFields } from "../http/forwarded.ts";
import type { Exchange } from "../request/exchange.ts";
import type { Endpoint } from "../request/snapshot.ts";
import type { UpstreamRequest } from "../upstream_client/transport.ts";
import type { Outgoing } from "../upstream_type/upstream_type.ts";
import type { BodySource } from "../wire/body_source.ts";

/** A request to upstreams, as far as it is the same for each. */
export interface Ask {
  readonly method: string;
  /** The response may be stored: the client's conditions and ranges stay here, and the type chooses the encoding. */
  readonly forCache: boolean;
  /** Validators of a stored response. */
  readonly conditions: Readonly<Fields>;
  readonly body: BodySource | null;
  /** Protocol to switch to, where the client asks for one that the pool carries (RFC 9110 §7.8). */
  readonly upgrade?: string;
}

/** Tells another Usher the number of the sender's try: its failure will not be the end. */
export const ATTEMPT_FIELD = "x-usher-attempt";

/** Fields that the gateway makes itself: of the message's framing, and of its way from client to upstream. */
const OWN_FIELDS: ReadonlySet<string> = new Set([
  "host",
  "content-length",
  "expect",
  "via",
  "x-request-id",
  ATTEMPT_FIELD,
]);

/** Fields that ask for less than a whole representation (RFC 9110 §13.1, §14.2). */
const PARTIAL_FIELDS: ReadonlySet<string> = new Set([
  "range",
  "if-range",
  "if-match",
  "if-none-match",
  "if-modified-since",
  "if-unmodified-since",
]);

/** One try's upstream, request, and the changes that the type makes in it. */
export interface Sending {
  readonly endpoint: Endpoint;
  readonly ask: Ask;
  readonly outgoing: Outgoing;
  /** Fields in the place of the client's own of these names; `null` leaves those. */
  readonly trace: Fields | null;
}

/** The request as it goes to one upstream. */
export function outgoingRequest(exchange: Exchange, sending: Sending): UpstreamRequest {
  const { endpoint, ask, outgoing } = sending;
  const query = outgoing.query === "" ? (exchange.hasEmptyQuery ? "?" : "") : `?${outgoing.query}`;
  return {
    method: ask.method,
    target: exchange.path === "*" ? "*" : pathAt(endpoint, exchange) + query,
    fields: outgoingFields(exchange, sending),
    body: ask.body,
  };
}

/** The path below the upstream's base path. A request for the listener's prefix alone goes to the base path alone, where there is one. */
function pathAt({ basePath }: Endpoint, exchange: Exchange): string {
  if (exchange.isBarePrefix && basePath !== "") return basePath;
  return basePath + exchange.tenant.type.upstreamPath(exchange.largerPath ?? exchange.path);
}

function outgoingFields(exchange: Exchange, sending: Sending): Fields {
  const { endpoint, ask, outgoing, trace } = sending;
  const { tenant } = exchange;
  const isRewritten = exchange.rewrite !== null;
  // A document that is changed is read whole, without a coding; so is an answer that is searched for a credential.
  const isRead = isRewritten || outgoing.secret !== undefined;
  const fixedEncoding = (ask.forCache ? tenant.type.acceptEncoding : null) ?? (isRead ? "identity" : null);
  const isForWhole = ask.forCache || isRewritten;
  const replaced = new Set(outgoing.set.map(([name]) => name));
  if (fixedEncoding !== null) replaced.add("accept-encoding");
  // The gateway answers CORS itself, and a shared response must not depend on one page's origin.
  if (ask.forCache && tenant.cors !== null) replaced.add("origin");
  if (isPrefixTold(tenant)) replaced.add(PREFIX_FIELD);
  if (trace !== null) replaced.add("traceparent").add("tracestate");
  const kept = endToEndFields(exchange.fields, exchange.header("connection")).filter(([name, value]) =>
    !OWN_FIELDS.has(name) && !replaced.has(name) && !(isForWhole && PARTIAL_FIELDS.has(name)) && name !== "cdn-loop" &&
    (!speaksForProxy(name) || tenant.forwardFields.includes(name) || exchange.isSetByRule(name)) &&
    tenant.isToken?.(name, value) !== true
  );
  const isHostKept = tenant.pool.preserveHost && exchange.authority !== "";
  const host: Field = ["host", isHostKept ? exchange.authority : endpoint.host];
  const fields: Fields = [
    host,
    ...kept,
    ...ownFields(exchange),
    ...attemptFields(exchange, sending),
    ...trace ?? [],
    ...ask.conditions,
  ];
  if (fixedEncoding !== null) fields.push(["accept-encoding", fixedEncoding]);
  for (const [name, value] of outgoing.set) if (value !== null) fields.push([name, value]);
  return fields;
}

const PREFIX_FIELD = "x-forwarded-prefix";

/** Whether `X-Forwarded-Prefix` tells upstreams the prefix that was stripped. */
function isPrefixTold({ wayBack, forwarded }: Exchange["tenant"]): boolean {
  return wayBack !== null && (forwarded === "x-forwarded" || forwarded === "both");
}

function ownFields(exchange: Exchange): Fields {
  const { services, tenant } = exchange;
  const via = exchange.header("via");
  const loop = exchange.header("cdn-loop");
  const ownVia = `1.1 ${services.settings.name}`;
  // The prefix that a proxy in front has stripped counts only where the field is passed on at all.
  const outerPrefix = tenant.forwardFields.includes(PREFIX_FIELD) ? exchange.header(PREFIX_FIELD) ?? "" : "";
  return [
    ["via", via === null ? ownVia : `${via}, ${ownVia}`],
    ["cdn-loop", loop === null ? services.instanceId : `${loop}, ${services.instanceId}`],
    ["x-request-id", exchange.requestId],
    ...forwardingFields(tenant.forwarded, {
      peer: exchange.peer,
      authority: exchange.authority,
      scheme: exchange.scheme,
      trusted: services.settings.isTrusted(exchange.peer),
      header: (name) => exchange.header(name),
    }),
    ...(isPrefixTold(tenant) ? [[PREFIX_FIELD, outerPrefix + tenant.prefix] as Field] : []),
  ];
}

const REPEATABLE: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);

/** Tries that a request may have: one where a gateway before this one, which we trust, tries again itself. */
export function triesAllowed(exchange: Exchange): number {
  const { services, tenant } = exchange;
  const isRepeatedBefore = exchange.header(ATTEMPT_FIELD) !== null && services.settings.isTrusted(exchange.peer);
  return isRepeatedBefore ? 1 : tenant.pool.attempts;
}

/**
 * Tells another Usher of the present try, so that it makes no further ones itself. That is said only while another upstream can be
 * asked: the last one of a pool has to do what it can.
 */
export function attemptFields(
  exchange: Exchange,
  { endpoint, ask }: Pick<Sending, "endpoint"> & { readonly ask: Pick<Ask, "body"> },
): Fields {
  const { method, private: reason, tries } = exchange;
  const isRepeatable = ask.body === null && reason === null && REPEATABLE.has(method);
  if (!endpoint.usher || !isRepeatable || tries >= triesAllowed(exchange)) return [];
  const nowMs = exchange.services.clock.now();
  const { upstreams } = exchange.tenant.pool.pool;
  const inUse = upstreams.filter((upstream) => upstream.weight > 0 && upstream.isIn(nowMs)).length;
  // Each try so far, the present one included, has taken one of them at most.
  return inUse > tries ? [[ATTEMPT_FIELD, String(tries)]] : [];
}
