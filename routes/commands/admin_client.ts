import { readEnv } from "../../lib/workers/supervisor/environment.ts";
import { adminFetch } from "../../lib/workers/admin_fetch.ts";
import { Misuse } from "./command.ts";
import { type AdminAccess, gatewayPlaces, notGateway, reasonOf } from "./running_gateway.ts";
import { harmless } from "./text_layout.ts";

/** What the user said about it. */
export interface AdminFlags {
  readonly admin?: string;
  readonly token?: string;
  readonly config?: string;
}

/** Options of every command that speaks to a running gateway, for `parseArgs`. */
export const ADMIN_OPTIONS = {
  admin: { type: "string" },
  token: { type: "string" },
  config: { type: "string", short: "c" },
} as const;

/** What these options are, for `--help`. */
export const ADMIN_HELP =
  `--config, -c FILE   the configuration that the gateway was started with, which says where it is; - is standard input
  --admin URL         where its admin address is instead, such as http://127.0.0.1:6636
  --token T           its token, also USHER_ADMIN_TOKEN`;

/** A reload may take as long as the slowest worker, twice. */
const TIMEOUT_MS = 130_000;
/** Whoever listens says at once who they are. */
const PROBE_MS = 2_000;

/**
 * Where the gateway is and what opens it: what was said, else what a gateway that runs has noted or the configuration says. The
 * configuration need not be sound.
 *
 * @throws {Misuse} when what was said is no URL
 */
export async function adminAccess({ admin, token, config }: AdminFlags): Promise<AdminAccess> {
  const given = token ?? readEnv("USHER_ADMIN_TOKEN") ?? null;
  if (admin !== undefined) {
    return { url: adminUrl(admin), token: given, certificateFile: null, isNoted: false };
  }
  // What is noted is the gateway's own; a variable may be of another time.
  const places = (await Array.fromAsync(gatewayPlaces(config))).map((place) => ({
    ...place,
    token: token ?? (place.isNoted ? place.token : given ?? place.token),
  }));
  let alive: AdminAccess | null = null;
  for (const place of places) {
    const answer = await probe(place);
    if (answer === "opens") return place;
    if (answer === "refuses") alive ??= place;
  }
  return alive ?? places.at(-1)!;
}

/** The URL that `--admin` names. @throws {Misuse} where it is none */
export function adminUrl(text: string): string {
  if (/^https?:\/\//i.test(text) && URL.canParse(text)) return text.replace(/\/+$/, "");
  throw new Misuse(`--admin wants a URL such as http://127.0.0.1:6636, found "${text}"`);
}

/** Whether a gateway answers, and takes the token: a note may be another one's, of a folder that is shared between machines. */
async function probe({ url, token, certificateFile }: AdminAccess): Promise<"opens" | "refuses" | "silent"> {
  const plain = { method: "GET", headers: {}, body: undefined, timeoutMs: PROBE_MS, certificateFile };
  try {
    if (!(await adminFetch(`${url}/health`, plain)).text.startsWith('{"status":"ok"}')) return "silent";
    const headers = { authorization: `Bearer ${token ?? ""}` };
    return (await adminFetch(`${url}/api/v1/jobs`, { ...plain, headers })).ok ? "opens" : "refuses";
  } catch {
    // It has ended, and could not take its note away.
    return "silent";
  }
}

/** What the admin surface answered. */
export interface AdminReply {
  readonly ok: boolean;
  readonly status: number;
  /** Its JSON. */
  readonly value: unknown;
}

/**
 * Asks the admin API: `target` is a method and a path of it, such as `POST /purge`.
 *
 * @throws {Error} when no gateway answers, or something else does; its message is for the user
 */
export async function askAdmin(access: AdminAccess, target: string, body?: unknown): Promise<AdminReply> {
  const [method, path] = target.split(" ", 2);
  const headers = {
    accept: "application/json",
    ...(access.token === null ? {} : { authorization: `Bearer ${access.token}` }),
    ...(body === undefined ? {} : { "content-type": "application/json" }),
  };
  const { ok, status, text } = await adminFetch(`${access.url}/api/v1${path}`, {
    method: method ?? "GET",
    headers,
    body: body === undefined ? undefined : JSON.stringify(body),
    timeoutMs: TIMEOUT_MS,
    certificateFile: access.certificateFile,
  }).catch((error: unknown) => {
    throw new Error(`No gateway answers at ${access.url}: ${reasonOf(error)}`);
  });
  // Of the API only what removes something answers with nothing.
  if (status === 204 && method === "DELETE") return { ok, status, value: null };
  const value = valueOf(text);
  if (!isAdminAnswer(ok, value)) throw new Error(notGateway(access.url, status));
  return { ok, status, value };
}

/** The admin surface answers with objects, and says what is wrong in `detail` or, after a reload, in `problems`. */
function isAdminAnswer(ok: boolean, value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  return ok || "detail" in value || "problems" in value;
}

/** What the gateway said was wrong; it may repeat what somebody gave it, and another program may have answered. */
export function refusalOf(reply: AdminReply): string {
  const { detail } = (reply.value ?? {}) as { readonly detail?: unknown };
  const hint = reply.status === 401 ? ": give it with --token or USHER_ADMIN_TOKEN" : "";
  return `The gateway refused (${reply.status}): ${harmless(String(detail))}${hint}`;
}

function valueOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
