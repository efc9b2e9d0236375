import type { ProbedFamily, ProbedStep, ProbedWay } from "../upstream_client/probe.ts";
import { UpstreamFailure } from "../upstream_client/transport.ts";
import { type Finding, shownMs } from "./finding.ts";

/** Addresses of a name that are shown. */
const MAX_SHOWN = 3;

const ROUND_ABOUT = "add `proxy: …` to the upstream to go another way";
const PIN = "pin a known good address with `resolve: ADDRESS`";

/** What was found on the way to an upstream, in words, and what to do about it. */
export function wayFindings(way: ProbedWay): Finding[] {
  if (way.kind === "proxy") return [proxyFinding(way.proxy, way.whole)];
  const { families, host } = way;
  const isResolved = families.some(({ lookup }) => lookup !== null);
  const isReached = families.some(({ tcp }) => tcp !== null && tcp.failure === null);
  return [
    ...(isResolved ? [nameFinding(host, families)] : []),
    ...families.flatMap((family) => family.tcp === null ? [] : [tcpFinding(family, family.tcp, isReached)]),
    ...families.flatMap((family) => family.tls === null ? [] : [tlsFinding(family, family.tls)]),
  ];
}

/** Whether a request can be sent at all. */
export function isReachable(way: ProbedWay): boolean {
  if (way.kind === "proxy") return way.whole.failure === null;
  return way.families.some(({ tcp, tls }) => tcp !== null && tcp.failure === null && (tls?.failure ?? null) === null);
}

function proxyFinding(proxy: string, { failure, durationMs }: ProbedStep): Finding {
  if (failure === null) {
    return { check: "proxy", state: "ok", text: `through ${proxy} in ${shownMs(durationMs)}`, remedy: null };
  }
  const text = `${proxy}: ${shortly(failure)}`;
  if (failure.kind === "tls") return { check: "proxy", state: "fail", text, remedy: tlsRemedy(failure) };
  const isProxys = failure.kind === "proxy";
  const remedy = isProxys
    ? "see that the proxy runs and that its address and credentials are those of `proxy: …`"
    : "the proxy answers, but does not get through to the upstream: look at the proxy's own rules and log";
  return { check: "proxy", state: "fail", text, remedy };
}

function nameFinding(host: string, families: readonly ProbedFamily[]): Finding {
  const text = families.map(lookupText).join("; ");
  const found = families.flatMap(({ addresses }) => addresses);
  const refused = families.flatMap((family) => family.refused);
  const failed = families.find(({ lookup }) => lookup?.failure != null);
  if (found.length === 0) {
    const remedy = failed === undefined
      ? `see that "${host}" is spelled right, else ${PIN}, or ${ROUND_ABOUT}`
      : `this machine's name server does not answer: mend it, ${PIN}, or ${ROUND_ABOUT}`;
    return { check: "name", state: "fail", text, remedy };
  }
  if (refused.length > 0) {
    const forged = "a public name with a private address: a blocked or forged DNS answer";
    const remedy = `${PIN}, or ${ROUND_ABOUT}; if it is meant, set \`allow_private: true\``;
    return {
      check: "name",
      state: refused.length === found.length ? "fail" : "warn",
      text: `${text}: ${forged}`,
      remedy,
    };
  }
  if (failed === undefined) return { check: "name", state: "ok", text, remedy: null };
  return {
    check: "name",
    state: "warn",
    text,
    remedy: "look-ups of one family hang or fail: each new connection waits for them",
  };
}

function lookupText({ family, addresses, lookup }: ProbedFamily): string {
  const type = family === 4 ? "A" : "AAAA";
  if (lookup === null) return "";
  if (lookup.failure !== null) return `${type}: ${shortly(lookup.failure)}`;
  if (addresses.length === 0) return `no ${type} record`;
  const more = addresses.length > MAX_SHOWN ? ` and ${addresses.length - MAX_SHOWN} more` : "";
  return `${type} ${addresses.slice(0, MAX_SHOWN).join(", ")}${more} in ${shownMs(lookup.durationMs)}`;
}

function tcpFinding(
  { family, addresses }: ProbedFamily,
  { failure, durationMs }: ProbedStep,
  isReached: boolean,
): Finding {
  const check = `ipv${family}`;
  if (failure === null) return { check, state: "ok", text: `connected in ${shownMs(durationMs)}`, remedy: null };
  const text = `${addresses.slice(0, MAX_SHOWN).join(", ")}: ${shortly(failure)}`;
  if (isReached) {
    const other = family === 4 ? 6 : 4;
    const remedy =
      `IPv${family} is broken here, and new connections lose time until IPv${other} is tried: mend it, or ` +
      "pin an address of the other family with `resolve: ADDRESS`";
    return { check, state: "warn", text, remedy };
  }
  const isRefused = isOf(failure, Deno.errors.ConnectionRefused);
  const remedy = isRefused
    ? "nothing listens there: see that the upstream runs and that its port is right"
    : `something on the way drops it: open the firewall, ${PIN}, or ${ROUND_ABOUT}`;
  return { check, state: "fail", text, remedy };
}

function tlsFinding({ family }: ProbedFamily, { failure, durationMs }: ProbedStep): Finding {
  if (failure === null) {
    return {
      check: "tls",
      state: "ok",
      text: `IPv${family}: handshake done after ${shownMs(durationMs)}`,
      remedy: null,
    };
  }
  return { check: "tls", state: "fail", text: `IPv${family}: ${shortly(failure)}`, remedy: tlsRemedy(failure) };
}

/** What the TLS library says, and what it most often means. */
const TLS_REMEDIES: ReadonlyArray<readonly [pattern: RegExp, remedy: string]> = [
  [
    /UnknownIssuer|SelfSigned|CaUsedAsEndEntity/,
    "give the authority that signed it with `ca: FILE`; if the upstream is a public one, somebody answers in its place: " +
    ROUND_ABOUT,
  ],
  [
    /not valid for name|NotValidForName/,
    "it is another host's certificate: set `host: NAME` if the upstream goes by another name, else somebody answers in its " +
    `place: ${PIN}, or ${ROUND_ABOUT}`,
  ],
  [/expired|NotValidYet|not valid yet/i, "see that this machine's clock is right; else the upstream has to renew it"],
  [/InvalidContentType|corrupt message/, "no TLS is spoken at this port: use `http://`, or another port"],
  [
    /unexpected end of file|UnexpectedEof|connection reset|broken pipe|os error 104/i,
    `the handshake was cut short, as filters do that block by name (SNI): ${ROUND_ABOUT}`,
  ],
  [
    /No answer within|operation canceled/,
    `the handshake hangs, as filters let it that block by name (SNI): ${ROUND_ABOUT}`,
  ],
];

function tlsRemedy(failure: UpstreamFailure): string {
  return TLS_REMEDIES.find(([pattern]) => pattern.test(failure.message))?.[1] ??
    "see that the upstream speaks TLS 1.2 or 1.3 with a certificate for its name";
}

/** What went wrong, without what stands there anyway. */
function shortly({ message, cause }: UpstreamFailure): string {
  const text = message.replace(/^Cannot connect: /, "").replace(/^proxy \S+: (?:Cannot connect: )?/, "");
  // A certificate may name hundreds of hosts.
  const short = text.length > 160 ? `${text.slice(0, 160)}…` : text;
  if (cause instanceof Error && !(cause instanceof UpstreamFailure) && /^(?:refused|failed) by /.test(short)) {
    return cause.message.replace(/ \(os error \d+\)$/, "");
  }
  return short;
}

function isOf(failure: UpstreamFailure, kind: new (...args: never[]) => Error): boolean {
  return failure.cause instanceof kind;
}
