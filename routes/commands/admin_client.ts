import { checkReport } from "../../lib/config/check.ts";
import { adminCertificate, adminFetch, adminUrl } from "../../lib/workers/admin_fetch.ts";
import { defaultConfig, load, shown, typedPath } from "./config_file.ts";

/** Where the admin surface of a running gateway is, and what opens it. */
export interface AdminAccess {
  readonly url: string;
  readonly token: string | null;
  /** See `AdminRequest`. */
  readonly certificate: string | null;
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
 * @throws {Error} when neither says it; its message is for the user
 */
export async function adminAccess({ admin, token, config }: AdminFlags): Promise<AdminAccess> {
  const given = token ?? Deno.env.get("USHER_ADMIN_TOKEN") ?? null;
  if (admin !== undefined) {
    if (!/^https?:\/\//i.test(admin) || !URL.canParse(admin)) throw new Error(`--admin wants a URL, found "${admin}"`);
    return { url: admin.replace(/\/+$/, ""), token: given, certificate: null };
  }
  const file = config === undefined ? defaultConfig("purge") : shown(typedPath(config));
  const result = await load(file);
  if (!result.ok) throw new Error(checkReport(result));
  const { admin: of } = result.config;
  return { url: adminUrl(of), token: given ?? of.token, certificate: adminCertificate(of) };
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
  const headers = {
    accept: "application/json",
    ...(access.token === null ? {} : { authorization: `Bearer ${access.token}` }),
    ...(body === undefined ? {} : { "content-type": "application/json" }),
  };
  try {
    const { ok, status, text } = await adminFetch(`${access.url}${path}`, {
      method: method ?? "GET",
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      timeoutMs: TIMEOUT_MS,
      certificate: access.certificate,
    });
    return { ok, status, value: valueOf(text) };
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
