import type {
  KeyWait,
  Outgoing,
  TypedRequest,
  TypeOptions,
  UpstreamType,
} from "../../lib/upstream_type/upstream_type.ts";

/** A request by its target, as types see it. */
export function requestFor(
  target: string,
  init: { method?: string; fields?: Record<string, string> } = {},
): TypedRequest {
  const at = target.indexOf("?");
  return {
    method: init.method ?? "GET",
    path: at < 0 ? target : target.slice(0, at),
    query: at < 0 ? "" : target.slice(at + 1),
    header: (name) => init.fields?.[name] ?? null,
  };
}

/** Options of a type, with a clock that stands still unless told otherwise. */
export function typeOptions(options: Partial<TypeOptions> = {}): TypeOptions {
  return { apiKeys: [], keyMode: "inject-missing", contentTypes: null, now: () => 0, ...options };
}

/** What goes out for a request. @throws {Error} where it is to wait */
export function outgoing(type: UpstreamType, request: TypedRequest): Outgoing {
  return unheld(type.outgoing(request));
}

/** What was taken. @throws {Error} where the request is to wait */
export function unheld<T extends object>(taken: T | KeyWait): T {
  if ("waitMs" in taken) throw new Error(`The request is to wait for ${taken.waitMs} ms`);
  return taken;
}

/** A JSON web token with these claims, its signature worthless. */
export function tokenWith(claims: unknown): string {
  const part = (value: unknown) =>
    btoa(JSON.stringify(value)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  return `${part({ alg: "HS256" })}.${part(claims)}.c2lnbmF0dXJl`;
}

/** A read token, as TMDB gives applications. */
export const readToken = tokenWith({ aud: "0123", sub: "5d1f", scopes: ["api_read"], version: 1 });

/** A token that a user has given an application. */
export const userToken = tokenWith({ aud: "0123", sub: "5d1f", scopes: ["api_read", "api_write"], version: 1 });
