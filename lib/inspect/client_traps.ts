import type { Client, Trap, TrapCheck } from "../clients/client.ts";
import { messageOf } from "../errors.ts";
import { LISTED_SIZES } from "../upstream_type/listed_sizes.ts";
import type { Config } from "../config/config.ts";
import type { ClientAnswer, ClientDoor } from "./client_door.ts";
import type { Finding } from "./finding.ts";
import type { OpenWay } from "./open_ways.ts";

/** What a client's traps are judged by. */
export interface TrapScene {
  readonly client: Client;
  readonly config: Config;
  readonly way: OpenWay;
  readonly door: ClientDoor;
  /** `/3/configuration`; `null` where there is no good answer to it. */
  readonly configuration: ClientAnswer | null;
  /** A film's document; `null` where there is no good answer to it. */
  readonly document: ClientAnswer | null;
  /** The path of a picture, with its slash; `null` where none is known. */
  readonly picture: string | null;
}

/** What is wrong, `null` for nothing, `undefined` for what could not be looked at. */
type Verdict = string | null | undefined;

/** A finding for each trap of a client. */
export async function trapFindings(scene: TrapScene): Promise<Finding[]> {
  const findings: Finding[] = [];
  // One after the other: they share a connection.
  for (const trap of scene.client.traps) findings.push(await trapFinding(trap, scene));
  return findings;
}

async function trapFinding(trap: Trap, scene: TrapScene): Promise<Finding> {
  const check = "trap";
  const { text, remedy } = trap;
  const verdict = await verdictOn(trap, scene);
  if (verdict === null) return { check, state: "ok", text: `${text}: taken care of`, remedy: null };
  if (verdict === undefined) {
    const unseen = trap.check === null ? "" : " (this was not looked at)";
    return { check, state: "skip", text: text + unseen, remedy };
  }
  return { check, state: DOUBTFUL.has(trap.check!) ? "warn" : "fail", text: `${text}: ${verdict}`, remedy };
}

/** What works, but not as well as it might, or not for all. */
const DOUBTFUL: ReadonlySet<TrapCheck> = new Set(["own-key", "tunnel", "bare-host", "image-base"]);

async function verdictOn({ check }: Trap, scene: TrapScene): Promise<Verdict> {
  try {
    return check === null ? undefined : await CHECKS[check](scene);
  } catch (error) {
    return messageOf(error);
  }
}

const CHECKS: Readonly<Record<TrapCheck, (scene: TrapScene) => Verdict | Promise<Verdict>>> = {
  "no-ratelimit": ({ configuration, document }) => {
    const seen = [configuration, document].filter((one) => one !== null);
    if (seen.length === 0) return undefined;
    const left = seen.map(({ field }) => field("x-ratelimit-remaining")).find((value) => value !== "");
    return left === undefined ? null : `X-RateLimit-Remaining: ${left}`;
  },
  "empty-parameters": async ({ door, way, document }) => {
    if (document === null) return undefined;
    await door.ask(way.api, "/3/movie/550?language=zh");
    const { status, field } = await door.ask(way.api, "/3/movie/550?&&language=zh");
    return /;\s*hit/.test(field("cache-status")) ? null : `status ${status}, ${field("cache-status") || "no hit"}`;
  },
  "json-errors": async ({ door, way }) => {
    const { status, field } = await door.ask(way.api, "/3/movie/0");
    const isJson = field("content-type").startsWith("application/json");
    return status >= 400 && !isJson ? `status ${status} with ${field("content-type") || "no type"}` : null;
  },
  "size-lists": ({ configuration }) => {
    const images = imagesOf(configuration);
    if (images === null) return undefined;
    const missing = Object.entries(LISTED_SIZES).flatMap(([kind, sizes]) => {
      const listed = images[`${kind}_sizes`];
      return sizes.filter((size) => !Array.isArray(listed) || !listed.includes(size)).map((size) => `${kind} ${size}`);
    });
    return missing.length === 0 ? null : `${missing.slice(0, 3).join(", ")} missing`;
  },
  "image-base": ({ configuration, way }) => {
    const base = imagesOf(configuration)?.["secure_base_url"];
    if (typeof base !== "string" || !URL.canParse(base)) return undefined;
    if (way.images !== null && (base.startsWith(`${way.images}/`) || isSameHost(base, way.images))) return null;
    return `it says ${base}, which leads past this gateway`;
  },
  "picture-head": (scene) =>
    withPicture(scene, {}, ({ field }) => {
      const tag = field("etag");
      if (!/^public, max-age=\d+$/.test(field("cache-control"))) return `Cache-Control: ${field("cache-control")}`;
      return /^"[A-Za-z0-9_-]+"$/.test(tag) ? null : `ETag: ${tag || "none"}`;
    }),
  "unlisted-size": (scene) => withPicture(scene, { size: "w600_and_h900_bestv2/" }, () => null),
  head: (scene) => withPicture(scene, { method: "HEAD" }, ({ body }) => body.length > 0 ? "content" : null),
  cors: async ({ door, way, document }) => {
    if (document === null) return undefined;
    const fields: [string, string][] = [["origin", "https://lampa.example"]];
    const allowed = (await door.ask(way.api, "/3/movie/550", { fields })).field("access-control-allow-origin");
    return ["*", "https://lampa.example"].includes(allowed) ? null : "Access-Control-Allow-Origin does not allow it";
  },
  tunnel: ({ config, way }) => {
    if (way.way !== "proxy") return null;
    const proxy = config.forwardProxies.find(({ name }) => way.through.includes(name));
    return proxy === undefined || proxy.others.includes("*") ? null : "others are refused, or listed";
  },
  "own-key": ({ config, way }) => {
    const pool = apiPool(config, way);
    if (pool === undefined) return undefined;
    if (pool.apiKeys.length === 0) return "the pool has no key of yours";
    return pool.keyMode === "replace" ? null : `key_mode is ${pool.keyMode}`;
  },
  "bare-host": ({ way }) => {
    if (way.way !== "https-name") return null;
    return way.values["name"]!.includes(":") ? `${way.values["name"]} has a port` : null;
  },
};

async function withPicture(
  { door, way, picture, client }: TrapScene,
  { method = "GET", size = client.sizes.poster }: { readonly method?: "GET" | "HEAD"; readonly size?: string },
  judge: (answer: ClientAnswer) => Verdict,
): Promise<Verdict> {
  if (picture === null || way.images === null) return undefined;
  const answer = await door.ask(way.images, `/t/p/${size}${picture}`, { method });
  return answer.status === 200 ? judge(answer) : `status ${answer.status} for ${size}${picture}`;
}

function imagesOf(configuration: ClientAnswer | null): Readonly<Record<string, unknown>> | null {
  if (configuration === null) return null;
  try {
    return JSON.parse(new TextDecoder().decode(configuration.body)).images ?? null;
  } catch {
    return null;
  }
}

function isSameHost(one: string, other: string): boolean {
  return new URL(one).hostname === new URL(other).hostname;
}

/** The pool of the listener that a way leads to. */
function apiPool({ listeners, pools }: Config, way: OpenWay) {
  const api = listeners.find(({ name, pool, hosts }) =>
    pools.some((one) => one.name === pool && one.type === "tmdb-api") &&
    (way.through.includes(name) || (way.way === "proxy" && hosts.includes(new URL(way.api).hostname)))
  );
  return pools.find(({ name }) => name === api?.pool);
}
