import { trimSpace } from "../http/list.ts";

/**
 * Whether a connection may carry another message after one of HTTP/1.`minor` with this `Connection` value, `null` for none
 * (RFC 9112 §9.3).
 */
export function keepsAlive(connection: string | null, minor: number): boolean {
  if (connection === null) return minor !== 0;
  if (connection === "keep-alive") return true;
  if (hasOption(connection, "close")) return false;
  return minor !== 0 || hasOption(connection, "keep-alive");
}

/** Whether a `Connection` value has an option, given in lower case (RFC 9110 §7.6.1). */
export function hasOption(connection: string, option: string): boolean {
  if (connection.length < option.length) return false;
  const lower = connection.toLowerCase();
  if (lower === option) return true;
  return lower.includes(option) && lower.split(",").some((member) => trimSpace(member) === option);
}
