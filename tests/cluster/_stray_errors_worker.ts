/** A worker whose sockets fail twice, with and without the guard; it answers `done` when it has outlived them all. */
import tls from "node:tls";
import { outliveSocketErrors } from "../../lib/workers/stray_errors.ts";

const scope = globalThis as unknown as {
  onmessage: (event: MessageEvent<{ port: number; ca: string; times: number; isGuarded: boolean }>) => void;
  postMessage(message: unknown): void;
  addEventListener(type: "error", listener: (event: ErrorEvent) => void): void;
};

scope.onmessage = async ({ data: { port, ca, times, isGuarded } }) => {
  let strays = 0;
  if (isGuarded) outliveSocketErrors(scope, () => strays++);
  for (let n = 0; n < times; n++) await connect(port, ca);
  scope.postMessage({ strays });
};

/** Settles when the connection is closed. As many clients do, it listens to its first error alone. */
function connect(port: number, ca: string): Promise<void> {
  return new Promise((resolve) => {
    const socket = tls.connect({ host: "localhost", port, ca });
    socket.once("error", () => {});
    socket.on("secureConnect", () => socket.write("PING\r\n"));
    socket.on("secureConnect", () => setTimeout(() => socket.writable && socket.write("PING\r\n"), 1));
    socket.on("close", () => setTimeout(resolve, 5));
  });
}
