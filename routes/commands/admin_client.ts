import { checkReport } from "../../lib/config/check.ts";
import { formatListenAddress } from "../../lib/config/addresses.ts";
import type { TcpAddress } from "../../lib/config/config.ts";
import { Misuse } from "./command.ts";
import { configFile, load } from "./config_file.ts";

/** Where the admin surface of a running gateway is, and what opens it. */
export interface AdminAccess {
  readonly url: string;
  readonly token: string | null;
}

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

const TIMEOUT_MS = 60_000;

/**
 * Where the gateway is: what was said, else what the configuration says.
 *
 * @throws {Misuse} when what was said is no URL
 * @throws {Error} when neither says it; its message is for the user
 */
export async function adminAccess({ admin, token, config }: AdminFlags): Promise<AdminAccess> {
  const given = token ?? Deno.env.get("USHER_ADMIN_TOKEN") ?? null;
  if (admin !== undefined) {
    if (!/^https?:\/\//i.test(admin) || !URL.canParse(admin)) throw new Misuse(`--admin wants a URL, found "${admin}"`);
    return { url: admin.replace(/\/+$/, ""), token: given };
  }
  const result = await load(configFile("purge", config));
  if (!result.ok) throw new Error(checkReport(result));
  const { listen, token: configured } = result.config.admin;
  return { url: reachableUrl(listen), token: given ?? configured };
}

/** The URL under which an address to listen on is reached from this machine. */
export function reachableUrl({ hostname, port }: TcpAddress): string {
  const host = hostname === "0.0.0.0" ? "127.0.0.1" : hostname === "::" ? "::1" : hostname;
  return `http://${formatListenAddress({ hostname: host, port })}`;
}

/** What the admin surface answered. */
export interface AdminReply {
  readonly ok: boolean;
  readonly status: number;
  /** Its JSON, or its text where it is none. */
  readonly value: unknown;
}

/**
 * Asks the admin surface: `target` is a method and a path, such as `POST /purge`.
 *
 * @throws {Error} when no gateway answers; its message is for the user
 */
export async function askAdmin(access: AdminAccess, target: string, body?: unknown): Promise<AdminReply> {
  const [method, path] = target.split(" ", 2);
  const headers = new Headers({ accept: "application/json" });
  if (access.token !== null) headers.set("authorization", `Bearer ${access.token}`);
  if (body !== undefined) headers.set("content-type", "application/json");
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  const init = { method, headers, signal, body: body === undefined ? undefined : JSON.stringify(body) };
  try {
    const response = await fetch(`${access.url}${path}`, init);
    return { ok: response.ok, status: response.status, value: valueOf(await response.text()) };
  } catch (error) {
    throw new Error(`No gateway answers at ${access.url}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** What the gateway said was wrong. */
export function refusalOf(reply: AdminReply): string {
  const { detail } = (reply.value ?? {}) as { readonly detail?: unknown };
  const hint = reply.status === 401 ? ": give it with --token or USHER_ADMIN_TOKEN" : "";
  return `The gateway refused (${reply.status}): ${typeof detail === "string" ? detail : String(reply.value)}${hint}`;
}

function valueOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
