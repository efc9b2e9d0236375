import { messageOf } from "../errors.ts";

/** Codes of errors that sockets of Node's kind give beside those of TLS. */
const SOCKET_CODES: ReadonlySet<unknown> = new Set([
  "EPIPE",
  "ECONNRESET",
  "ECONNABORTED",
  "ECONNREFUSED",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENOTCONN",
  "ETIMEDOUT",
]);

/** What is logged of them. */
export const STRAY_ERROR = "A connection that had failed already failed once more";

/** As much of a global scope as is used. */
interface ErrorScope {
  addEventListener(type: "error", listener: (event: ErrorEvent) => void): void;
}

/**
 * Whether an error that nobody caught is of a socket in the runtime's part for Node, whose user had stopped to listen: a second error of
 * a connection that has failed already, such as a write after the alert of TLS (RFC 8446 §6.2) that wants a client certificate. It says
 * nothing about the program, and its connection is gone.
 */
export function isStraySocketError(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code } = error as { readonly code?: unknown };
  const isSocket = SOCKET_CODES.has(code) || (typeof code === "string" && /^ERR_(?:SSL|TLS)_/.test(code)) ||
    /^received fatal alert/.test(error.message);
  return isSocket && /\bext:deno_node\//.test(error.stack ?? "");
}

/** Keeps such errors from ending this thread, which any other that nobody caught still does; `told` gets what each said. */
export function outliveSocketErrors(scope: ErrorScope, told: (problem: string) => void): void {
  scope.addEventListener("error", (event) => {
    if (!isStraySocketError(event.error)) return;
    event.preventDefault();
    told(messageOf(event.error));
  });
}
