import type { Engine, EngineScript } from "../cluster/engine.ts";
import { engineLabel, type EngineOptions } from "../cluster/engine_options.ts";
import { openRedisEngine } from "../cluster/redis_engine.ts";
import type { Config } from "../config/config.ts";
import { messageOf } from "../errors.ts";
import { type Finding, type FindingState, shownMs } from "./finding.ts";

const CHECK = "cluster";
/** Sentinels that can agree on something while one of them is gone. */
const MIN_SENTINELS = 3;
const MIN_VERSION = [6, 2] as const;
const MAX_CLOCK_MS = 1_000;
const ROUND_TRIPS = 5;
/** A look-up is to have the time of so many round trips. */
const TRIPS_A_LOOK_UP = 4;
const ACL = "~u:* &u:* +@read +@write +@scripting +@pubsub +@connection +@stream -@dangerous +info +time";

/** Everything that gateways do there, once, on a key of its own that is gone afterwards. */
const TRY_ALL: EngineScript = {
  name: "doctor",
  text: `
redis.call('XADD', KEYS[1], 'MAXLEN', '~', 10, '*', 'a', 'b')
redis.call('XRANGE', KEYS[1], '-', '+')
redis.call('UNLINK', KEYS[1])
redis.call('ZADD', KEYS[1], 1, 'a')
redis.call('ZCOUNT', KEYS[1], 0, 1)
redis.call('UNLINK', KEYS[1])
redis.call('SET', KEYS[1], '1', 'PX', 10000, 'NX')
redis.call('PEXPIRE', KEYS[1], 10000)
redis.call('UNLINK', KEYS[1])
redis.call('PUBLISH', KEYS[1], 'a')
return redis.call('TIME')[1]`,
};

/** An engine and what it is for. */
interface Checked {
  readonly options: EngineOptions;
  readonly name: string;
  /** Purges and leases lie there, which may not be evicted. */
  readonly hasBus: boolean;
  /** `null` where no responses lie there. */
  readonly lookUpMs: number | null;
}

/** What is wrong with the engines of a cluster. Nothing where there is none. Never throws. */
export async function clusterFindings(
  config: Pick<Config, "cluster" | "cache">,
  timeoutMs: number,
): Promise<Finding[]> {
  const { cluster, cache: { shared } } = config;
  if (cluster === null) return [];
  const isApart = shared?.hasOwnEngine === true;
  const lookUpMs = shared?.timeoutMs ?? null;
  const engines: Checked[] = [
    { options: cluster.engine, name: cluster.name, hasBus: true, lookUpMs: isApart ? null : lookUpMs },
    ...isApart ? [{ options: shared.engine, name: cluster.name, hasBus: false, lookUpMs }] : [],
  ];
  return (await Promise.all(engines.map((engine) => engineFindings(engine, timeoutMs)))).flat();
}

async function engineFindings(checked: Checked, timeoutMs: number): Promise<Finding[]> {
  const { options } = checked;
  const problems = new Set<string>();
  const engine = openRedisEngine({ ...options, deadlineMs: timeoutMs, onProblem: (problem) => problems.add(problem) });
  try {
    if (!await engine.ready(timeoutMs)) return [unreachable(options, [...problems]), ...settingFindings(options)];
    return [
      ...await insideFindings(engine, checked),
      ...settingFindings(options),
      ...await openDoorFindings(options, timeoutMs),
    ];
  } finally {
    engine.close();
  }
}

function finding(state: FindingState, options: EngineOptions, text: string, remedy: string | null = null): Finding {
  return { check: CHECK, state, text: `${engineLabel(options)}: ${text}`, remedy };
}

function unreachable(options: EngineOptions, problems: readonly string[]): Finding {
  const problem = problems.at(-1) ?? "there is no connection in time";
  return finding("fail", options, problem, remedyFor(problems.join(" "), options));
}

function remedyFor(said: string, { place, tls }: EngineOptions): string {
  if (/WRONGPASS|NOAUTH|AUTH/.test(said)) return "see that `password` and the user in `engine` are those of the engine";
  if (/NOPERM/.test(said)) return `give its user these rights (ACL): ${ACL}`;
  if (
    /CertificateRequired|certificate required|UnsupportedCertificate|CertificateExpired|CertificateUnknown/i.test(said)
  ) {
    return "it wants a client certificate that it trusts and that has not expired: `cert` and `key`";
  }
  if (/certificate|issuer|UnknownIssuer|UNABLE_TO|self.signed/i.test(said)) {
    return "name the authority that its certificate is from in `ca`, and the host that it is for in `engine`";
  }
  if (/sentinel/i.test(said) || place.kind === "sentinels") {
    return "see that the sentinels run there, and that `name` is what they call the primary";
  }
  if (/InvalidContentType|wrong version|packet length|Connection is closed|ECONNRESET/i.test(said)) {
    return tls === null ? "does it speak TLS alone? then rediss://" : "does it speak TLS at all? else redis://";
  }
  return "see that Valkey or Redis runs there and can be reached from here; the gateway goes on alone until then";
}

/** What shows without a connection. */
function settingFindings(options: EngineOptions): Finding[] {
  const { place, tls, user } = options;
  const found: Finding[] = [];
  const hosts = place.kind === "server" ? [place.address] : place.addresses;
  if (tls === null && !hosts.every(({ host }) => isHere(host))) {
    const remedy = "rediss:// (`tls: true` with `sentinels` or `nodes`), and `ca` where its authority is your own";
    found.push(finding("warn", options, "what goes over the network is not encrypted, its password included", remedy));
  }
  if (user === null) {
    const remedy = `make a user of its own: ACL SETUSER usher on >PASSWORD ${ACL}`;
    found.push(finding("warn", options, "the gateway comes as the user `default`, who may do everything", remedy));
  }
  if (place.kind === "sentinels" && place.addresses.length < MIN_SENTINELS) {
    const remedy = `name ${MIN_SENTINELS} or more: they have to agree when one is gone`;
    found.push(finding("warn", options, `there are ${place.addresses.length} sentinels`, remedy));
  }
  return found;
}

function isHere(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127\./.test(host);
}

/** Whether somebody without a password is let in. */
async function openDoorFindings(options: EngineOptions, timeoutMs: number): Promise<Finding[]> {
  const engine = openRedisEngine({ ...options, user: null, password: null, deadlineMs: timeoutMs });
  try {
    if (!await engine.ready(Math.min(timeoutMs, 1_000))) return [];
    const isOpen = await engine.get("u:doctor", { isUrgent: true }).then(() => true, () => false);
    const remedy = "ACL SETUSER default off, or requirepass";
    return isOpen ? [finding("warn", options, "it lets in whoever comes without a password", remedy)] : [];
  } finally {
    engine.close();
  }
}

/** What the engine says of itself, and lets this user do. */
async function insideFindings(engine: Engine, checked: Checked): Promise<Finding[]> {
  const { options, lookUpMs } = checked;
  try {
    const sentMs = Date.now();
    const info = await engine.info();
    const tookMs = Date.now() - sentMs;
    return [
      ...versionFindings(options, info),
      ...memoryFindings(checked, info),
      ...copyFindings(options, info),
      ...clockFindings(options, info, sentMs + tookMs / 2),
      await rightsFinding(engine, checked),
      ...await speedFindings(engine, options, lookUpMs),
    ];
  } catch (error) {
    return [finding("fail", options, messageOf(error), `give its user these rights (ACL): ${ACL}`)];
  }
}

type Info = ReadonlyMap<string, string>;

function versionFindings(options: EngineOptions, info: Info): Finding[] {
  const version = info.get("redis_version") ?? "";
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const isOld = major < MIN_VERSION[0] || (major === MIN_VERSION[0] && minor < MIN_VERSION[1]);
  const shown = info.has("valkey_version") ? `Valkey ${info.get("valkey_version")}` : `version ${version || "unknown"}`;
  const remedy = `${MIN_VERSION.join(".")} or newer is needed`;
  return isOld ? [finding("fail", options, shown, remedy)] : [finding("ok", options, `connected, ${shown}`)];
}

function memoryFindings({ options, hasBus, lookUpMs }: Checked, info: Info): Finding[] {
  const policy = info.get("maxmemory_policy") ?? "noeviction";
  const isBounded = Number(info.get("maxmemory") ?? 0) > 0;
  if (hasBus && policy.startsWith("allkeys-")) {
    const remedy = "set maxmemory-policy volatile-lfu, or give responses an engine of their own: `cache.shared.engine`";
    return [finding("fail", options, `${policy} evicts purges that gateways have not heard of yet`, remedy)];
  }
  if (lookUpMs === null) return [];
  if (!isBounded) {
    const remedy = "set maxmemory, and maxmemory-policy volatile-lfu";
    return [finding("warn", options, "nothing bounds its memory (maxmemory 0): responses fill it", remedy)];
  }
  if (policy !== "noeviction") return [];
  const remedy = "set maxmemory-policy volatile-lfu";
  return [finding("warn", options, "noeviction: when it is full, nothing more is shared", remedy)];
}

function copyFindings(options: EngineOptions, info: Info): Finding[] {
  if (info.get("role") === "slave") {
    const remedy = "name the primary, or the sentinels that know it";
    return [finding("fail", options, "it is a replica, which takes no writes", remedy)];
  }
  if (Number(info.get("connected_slaves") ?? 0) > 0) return [];
  const remedy = "add a replica and three sentinels, where gateways have to share over its end";
  return [finding("warn", options, "it has no replica: while it is gone each gateway is alone", remedy)];
}

function clockFindings(options: EngineOptions, info: Info, nowMs: number): Finding[] {
  const theirs = Number(info.get("server_time_usec") ?? NaN) / 1_000;
  const apartMs = Math.round(theirs - nowMs);
  if (Number.isNaN(apartMs) || Math.abs(apartMs) <= MAX_CLOCK_MS) return [];
  const text = `its clock is ${(Math.abs(apartMs) / 1_000).toFixed(1)} s ${
    apartMs > 0 ? "ahead of" : "behind"
  } this machine's`;
  return [finding("warn", options, text, "have both follow NTP")];
}

async function rightsFinding(engine: Engine, { options, name }: Checked): Promise<Finding> {
  try {
    await engine.script(TRY_ALL, [`u:${name}:{doctor}:${crypto.randomUUID()}`], []);
    return finding("ok", options, "its user may do all that gateways need");
  } catch (error) {
    const remedy = /OOM/.test(messageOf(error)) ? "give it more memory (maxmemory)" : `its user needs (ACL): ${ACL}`;
    return finding("fail", options, `what gateways do there fails: ${messageOf(error)}`, remedy);
  }
}

async function speedFindings(engine: Engine, options: EngineOptions, lookUpMs: number | null): Promise<Finding[]> {
  if (lookUpMs === null) return [];
  const tookMs: number[] = [];
  for (let n = 0; n < ROUND_TRIPS; n++) {
    const startedMs = performance.now();
    await engine.get("u:doctor");
    tookMs.push(performance.now() - startedMs);
  }
  const middleMs = tookMs.sort((a, b) => a - b)[Math.floor(ROUND_TRIPS / 2)]!;
  if (middleMs <= lookUpMs / TRIPS_A_LOOK_UP) return [];
  const text = `a round trip takes ${shownMs(middleMs)}, and a look-up may take ${shownMs(lookUpMs)}`;
  return [finding("warn", options, text, "raise `cache.shared.timeout`, or bring the engine nearer")];
}
