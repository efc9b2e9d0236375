import type { ExplainRequest } from "./explain.ts";

/**
 * The request that a URL or a path stands for.
 *
 * @throws {TypeError} it is neither
 */
export function explainRequest(typed: string, method: string, fields: Headers): ExplainRequest {
  const url = typed.trim().replace(/#.*$/s, "").toWellFormed().replace(/[^\x21-\x7e]/gu, encodeURIComponent);
  const named = fields.get("host");
  if (named !== null && !/^[\x21-\x7e]{1,300}$/.test(named)) throw new TypeError("The Host field holds no host");
  const rest = [...fields].filter(([name]) => name !== "host");
  if (url.startsWith("/")) return { method, to: null, authority: named, target: url, fields: rest };
  const match = /^(https?):\/\/([^/?#]*)(.*)$/i.exec(url);
  const to = match === null ? null : URL.parse(`${match[1]}://${match[2]}/`);
  if (match === null || to === null) throw new TypeError(notUrl(url));
  if (to.username !== "" || to.password !== "") {
    throw new TypeError("The URL has a user and a password: leave them out");
  }
  const [, scheme = "", , target = ""] = match;
  return {
    method,
    to: {
      hostname: to.hostname.replace(/^\[|\]$/g, ""),
      port: Number(to.port || (scheme.toLowerCase() === "https" ? 443 : 80)),
    },
    authority: named ?? to.host,
    target: target.startsWith("/") ? target : `/${target}`,
    fields: rest,
  };
}

function notUrl(typed: string): string {
  const shown = typed.length > 100 ? `${typed.slice(0, 100)}…` : typed;
  const hint = /^[a-z0-9.-]+(:\d+)?(\/|$)/i.test(typed) && !typed.includes("://")
    ? `: did you mean http://${shown}, or the path /${shown}?`
    : "";
  return `Found "${shown}", expected http://host:port/path or a path that begins with /${hint}`;
}
