import { promises as dns } from "node:dns";
import { networkInterfaces } from "node:os";
import { type Client, TRUST_WORDS, type Way, WAY_WORDS } from "../clients/client.ts";
import { API_HOSTS, IMAGE_HOST, usesTmdbNames } from "../clients/client_table.ts";
import { within } from "../clock.ts";
import { parseIpAddress } from "../config/addresses.ts";
import { lifetimeText, SOON_MS } from "../config/certificates.ts";
import type { Config } from "../config/config.ts";
import { messageOf } from "../errors.ts";
import { type ClientAnswer, ClientDoor, type ShownCertificate } from "./client_door.ts";
import { trapFindings } from "./client_traps.ts";
import { type Finding, shownSize } from "./finding.ts";
import { filled, type OpenWay, openWays } from "./open_ways.ts";

/** How a client's way is looked over. */
export interface ClientDiagnoseOptions {
  /** For each step. */
  readonly timeoutMs: number;
  /** The name or address that the client is told; `null` for this machine's own. */
  readonly host: string | null;
  /** The way to look at; `null` for the best of the client's that is open. */
  readonly way: Way | null;
  readonly token: string | null;
  /** PEM of an authority, beside those of the configuration's certificates. */
  readonly authority: string | null;
  /** A name server to ask in place of this machine's. */
  readonly nameServer: string | null;
}

/** What was found out about a client's way in. */
export interface ClientDiagnosis {
  readonly client: string;
  readonly name: string;
  /** `null` where none of its ways is open. */
  readonly way: Way | null;
  readonly findings: readonly Finding[];
}

/** Looks at a client's way in as the client takes it: names, connection, certificate, documents, pictures, traps. Never throws. */
export async function diagnoseClient(
  config: Config,
  client: Client,
  options: ClientDiagnoseOptions,
): Promise<ClientDiagnosis> {
  const { word, name } = client;
  const own = ownAddresses();
  const open = openWays(config, options.host ?? own?.[0] ?? "127.0.0.1");
  const wanted = client.ways.filter(({ way }) => options.way === null || way === options.way);
  const way = wanted.flatMap((one) => open.find((found) => found.way === one.way) ?? [])[0];
  if (way === undefined) return { client: word, name, way: null, findings: [closedFinding(client, options.way, open)] };
  const door = new ClientDoor({ ...options, config, way });
  try {
    const findings = [
      wayFinding(client, way),
      ...await nameFindings(client, way, { ...options, own }),
      ...await certificateFindings(client, door),
      ...await answerFindings({ config, client, way, door }),
    ];
    return { client: word, name, way: way.way, findings };
  } finally {
    door.close();
  }
}

function closedFinding(client: Client, wanted: Way | null, open: readonly OpenWay[]): Finding {
  const check = "way";
  if (client.ways.length === 0) {
    return { check, state: "fail", text: `${client.name} ${client.needs}`, remedy: "there is nothing to set" };
  }
  const ways = (wanted === null ? client.ways.map(({ way }) => way) : [wanted]).map((way) => WAY_WORDS[way].title);
  const chosen = wanted === null ? "" : ` --way ${wanted}`;
  const there = open.map(({ way }) => WAY_WORDS[way].title).join(", ") || "no way to TMDB's API";
  return {
    check,
    state: "fail",
    text: `${client.name} needs ${ways.join(" or ")}; this configuration opens ${there}`,
    remedy:
      `docs/clients/${client.word}.md has the lines for it; init --client ${client.word}${chosen} makes a file with them`,
  };
}

function wayFinding(client: Client, way: OpenWay): Finding {
  const { setting, value } = client.ways.find((one) => one.way === way.way)!;
  const set = setting === null || value === null ? "nothing to set" : `${setting} = ${filled(value, way)}`;
  const text = `${WAY_WORDS[way.way].title}, through ${way.through.join(" and ")}: ${set}`;
  return { check: "way", state: "ok", text, remedy: null };
}

/** Addresses of this machine, the one in its network first; `null` where they may not be read. */
function ownAddresses(): string[] | null {
  if (Deno.permissions.querySync({ name: "sys", kind: "networkInterfaces" }).state !== "granted") return null;
  const all = Object.values(networkInterfaces()).flatMap((one) => one ?? []);
  const outer = all.filter(({ internal }) => !internal);
  const first = outer.filter(({ family }) => family === "IPv4");
  return [...new Set([...first, ...outer, ...all].map(({ address }) => address))];
}

interface NameOptions extends ClientDiagnoseOptions {
  readonly own: readonly string[] | null;
}

/** Whether the names that the client asks for lead to this machine. */
async function nameFindings(client: Client, way: OpenWay, options: NameOptions): Promise<Finding[]> {
  const hosts = way.way === "dns"
    ? [...API_HOSTS, ...way.images === null ? [] : [IMAGE_HOST]]
    : [way.proxy === null ? new URL(/^https?:\/\/[^/]+/.exec(way.api)![0]).hostname : options.host ?? ""];
  const names = hosts.filter((host) => host !== "" && parseIpAddress(host) === null);
  return await Promise.all(names.map((host) => nameFinding(client, { host, way }, options)));
}

async function nameFinding(
  { name }: Client,
  { host, way }: { readonly host: string; readonly way: OpenWay },
  { own, nameServer, timeoutMs }: NameOptions,
): Promise<Finding> {
  const check = "name";
  const here = own?.[0] ?? "this machine's address";
  const line = way.way === "dns" ? `${here} ${API_HOSTS.join(" ")} ${IMAGE_HOST}` : `${here} ${host}`;
  const remedy = `the name server that ${name} asks has to answer with ${here}, or its hosts file has: ${line}`;
  const found = await within(addressesOf(host, nameServer), timeoutMs, null).catch(() => null);
  // What clients are told of TMDB's names, this machine's own name server need not know.
  const isOthers = way.way === "dns" && nameServer === null;
  if (found === null || found.length === 0) {
    return { check, state: isOthers ? "warn" : "fail", text: `${host} has no address here`, remedy };
  }
  const shown = `${host} leads to ${found.slice(0, 3).join(", ")}`;
  if (own === null) {
    const text = `${shown}; whether that is this machine was not looked at`;
    return { check, state: "skip", text, remedy: "give --allow-sys=networkInterfaces" };
  }
  if (found.some((address) => own.includes(address))) {
    return { check, state: "ok", text: `${shown}, this machine`, remedy: null };
  }
  const text = `${shown}, which is not this machine${nameServer === null ? ": its own name server says so" : ""}`;
  return { check, state: nameServer === null ? "warn" : "fail", text, remedy };
}

async function addressesOf(host: string, nameServer: string | null): Promise<string[]> {
  if (nameServer === null) return (await dns.lookup(host, { all: true })).map(({ address }) => address);
  const asked = { nameServer: { ipAddr: nameServer } };
  const [four, six] = await Promise.all(
    (["A", "AAAA"] as const).map((type) => Deno.resolveDns(host, type, asked).catch(() => [])),
  );
  return [...four!, ...six!];
}

async function certificateFindings(client: Client, door: ClientDoor): Promise<Finding[]> {
  const host = door.tlsHost;
  const shown = await door.certificate().catch(() => null);
  // What is the matter where none is shown, the request tells.
  return host === null || shown === null ? [] : [certificateFinding(client, host, shown)];
}

function certificateFinding(client: Client, host: string, shown: ShownCertificate): Finding {
  const check = "certificate";
  const life = lifetimeText(shown.notAfterMs, Date.now()).replace(/: renew it$/, "");
  const text = `for ${host}: ${life}, by ${shown.authority}`;
  const renew = "certs makes another, for the same names: docs/tls.md";
  if (!shown.namesHost) {
    return { check, state: "fail", text: `it is for ${shown.names}, not for ${host}`, remedy: renew };
  }
  if (shown.notAfterMs <= Date.now()) return { check, state: "fail", text, remedy: renew };
  if (shown.notAfterMs - Date.now() < SOON_MS) return { check, state: "warn", text, remedy: renew };
  const isOwn = /local authority/i.test(shown.authority);
  return {
    check,
    state: "ok",
    text,
    remedy: isOwn ? `the client has to trust it: ${TRUST_WORDS[client.trust]}` : null,
  };
}

interface Asked {
  readonly config: Config;
  readonly client: Client;
  readonly way: OpenWay;
  readonly door: ClientDoor;
}

/** What is asked for as a film that everybody has. */
const DOCUMENT = "/3/movie/550";

async function answerFindings(asked: Asked): Promise<Finding[]> {
  const { client, way, door } = asked;
  const first = await reached(door, way, "/3/configuration");
  if (first.answer === null) return [first.finding];
  const configuration = first.answer.status === 200 ? first.answer : null;
  const findings = [first.finding];
  const second = await reached(door, way, DOCUMENT);
  const document = second.answer?.status === 200 ? second.answer : null;
  findings.push(second.finding);
  if (document !== null) findings.push(await hitFinding(door, way));
  const picture = pictureOf(document);
  findings.push(...await pictureFindings(asked, picture));
  findings.push(...await trapFindings({ ...asked, configuration, document, picture }));
  return usesTmdbNames(way.way) && client.ways.length > 0 ? [...findings, ...loopFindings(asked)] : findings;
}

interface Reached {
  /** `null` where no answer came. */
  readonly answer: ClientAnswer | null;
  readonly finding: Finding;
}

async function reached(door: ClientDoor, way: OpenWay, path: string): Promise<Reached> {
  const check = path === DOCUMENT ? "document" : "configuration";
  const asked = way.api + path;
  try {
    const answer = await door.ask(way.api, path);
    const { status, field } = answer;
    const isJson = field("content-type").startsWith("application/json");
    if (status === 200 && isJson) {
      return { answer, finding: { check, state: "ok", text: `GET ${asked}: 200`, remedy: null } };
    }
    const text = `GET ${asked}: status ${status}${status === 200 ? `, ${field("content-type") || "no type"}` : ""}`;
    return { answer, finding: { check, state: "fail", text, remedy: answerRemedy(status, way) } };
  } catch (error) {
    const text = `GET ${asked}: ${reasonOf(error)}`;
    return { answer: null, finding: { check, state: "fail", text, remedy: reachRemedy(error, way) } };
  }
}

function answerRemedy(status: number, { needsToken }: OpenWay): string {
  if (status === 401 && needsToken) return "the listener is closed: give the client's token with --token";
  if (status === 401) {
    return "TMDB takes no request without a key: put one into api_keys, or let the client bring its own";
  }
  if (status === 403 || status === 407) return "look at allow_clients and token of the forward proxy";
  if (status === 404) return "another program answers, or no listener serves this path: deno task explain says which";
  return "doctor without --client looks at the upstreams";
}

function reachRemedy(error: unknown, { way }: OpenWay): string {
  const kind = (error as { readonly kind?: string }).kind;
  if (kind === "tls") {
    return "make a certificate that names it (certs --tmdb, or certs NAME), or give its authority with --ca";
  }
  if (kind === "proxy") return "start the gateway; with a token that the proxy wants, give it with --token";
  if (kind === "resolve") return "see that the name is spelled right; --host gives another one";
  return way === "https-name"
    ? "start the gateway, or the program with HTTPS before it"
    : "start the gateway: deno task start";
}

function reasonOf(error: unknown): string {
  const cause = (error as { readonly cause?: unknown }).cause;
  return messageOf(error) + (cause === undefined ? "" : ` (${messageOf(cause).slice(0, 160)})`);
}

/** The second time it has to come from the cache. */
async function hitFinding(door: ClientDoor, way: OpenWay): Promise<Finding> {
  const check = "cache";
  try {
    const said = (await door.ask(way.api, DOCUMENT)).field("cache-status");
    if (/;\s*hit\b/.test(said)) return { check, state: "ok", text: `the second time: ${said}`, remedy: null };
    const remedy = "Cache-Status says why; a rule or `ttl: 0` may keep it out, or another program answers";
    return { check, state: "warn", text: `the second time: ${said || "no Cache-Status"}`, remedy };
  } catch (error) {
    return { check, state: "warn", text: `the second time: ${reasonOf(error)}`, remedy: "look at the log" };
  }
}

const PICTURE = /^\/[A-Za-z0-9]{1,64}\.(?:jpg|png|svg)$/;

function pictureOf(document: ClientAnswer | null): string | null {
  if (document === null) return null;
  try {
    const path = JSON.parse(new TextDecoder().decode(document.body)).poster_path;
    return typeof path === "string" && PICTURE.test(path) ? path : null;
  } catch {
    return null;
  }
}

async function pictureFindings({ client, way, door }: Asked, picture: string | null): Promise<Finding[]> {
  const check = "picture";
  if (way.images === null) {
    const remedy = `add a listener with prefix /t/p for a pool of type tmdb-image: docs/clients/${client.word}.md`;
    return [{ check, state: "warn", text: "no listener of this way serves pictures", remedy }];
  }
  if (picture === null) {
    return [{ check, state: "skip", text: "no document named one", remedy: null }];
  }
  const sizes = [...new Set([client.sizes.poster, client.sizes.backdrop])];
  return await Promise.all(sizes.map(async (size): Promise<Finding> => {
    const asked = `${way.images}/t/p/${size}${picture}`;
    try {
      const { status, field, body } = await door.ask(way.images!, `/t/p/${size}${picture}`);
      const type = field("content-type");
      if (status === 200 && type.startsWith("image/")) {
        return { check, state: "ok", text: `GET ${asked}: ${type}, ${shownSize(body.length)}`, remedy: null };
      }
      const remedy = "doctor without --client looks at the upstreams of pictures";
      return { check, state: "fail", text: `GET ${asked}: status ${status}, ${type || "no type"}`, remedy };
    } catch (error) {
      return { check, state: "fail", text: `GET ${asked}: ${reasonOf(error)}`, remedy: reachRemedy(error, way) };
    }
  }));
}

/** TMDB's names lead here: has the gateway another way to TMDB than by them? */
function loopFindings({ config, way }: Asked): Finding[] {
  if (way.way !== "dns") return [];
  const names = [...API_HOSTS, IMAGE_HOST] as readonly string[];
  const unpinned = config.pools.flatMap(({ upstreams }) => upstreams).filter(({ url, resolve, proxy }) =>
    names.includes(new URL(url).hostname) && resolve === null && proxy === null
  );
  if (unpinned.length === 0) return [];
  return [{
    check: "loop",
    state: "skip",
    text: `${unpinned.map(({ id }) => id).join(", ")}: looked up by this machine's name server`,
    remedy:
      "give it another one than clients have, or pin addresses with `resolve`: else it is sent to itself, and refuses",
  }];
}
