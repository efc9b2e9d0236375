import { pause } from "../../clock.ts";
import { reachableUrl } from "../../config/addresses.ts";
import type { Config } from "../../config/config.ts";
import { refusalReply } from "../../deliver/error_answer.ts";
import { compileTls } from "../../gateway/compile_tls.ts";
import { compileServerLimits } from "../../gateway/server_limits.ts";
import { addressMatcher } from "../../http/forwarded.ts";
import type { Logger } from "../../logging/logger.ts";
import { refusedMessage } from "../../request/client_error.ts";
import { type FetchFunction, fetchHandler } from "../../server/fetch_adapter.ts";
import { HttpServer } from "../../server/http_server.ts";

/** How long admin requests may take to end when the gateway stops. */
const GRACE_MS = 1_000;

/** Between two tries to get an address that another process has. */
const RETRY_MS = 20;

/** Options of {@linkcode AdminServer}. */
export interface AdminServerOptions {
  readonly config: Config;
  /** Descriptors that the process may have. */
  readonly descriptors: number;
  readonly version: string;
  readonly logger: Logger;
}

/** The admin address, served as the listeners are, under the same limits. */
export class AdminServer {
  readonly #server: HttpServer;
  #address = "";
  #url: string | null = null;

  constructor({ config: { server }, descriptors, version, logger }: AdminServerOptions) {
    this.#server = new HttpServer({
      limits: compileServerLimits(server.limits, descriptors),
      refuse: (error) => refusalReply(refusedMessage(error), crypto.randomUUID(), server.name),
      isTrusted: addressMatcher(server.trustedProxies),
      onFault: (error) =>
        logger.in("admin").error("An admin reply could not be written", { cause: String(error), version }),
    });
  }

  /** Its URL from this machine; `null` until it is served. */
  get url(): string | null {
    return this.#url;
  }

  /**
   * Listens; for `waitMs` an address that another process has is waited for.
   *
   * @throws {Error} when the address cannot be used, or its certificate
   */
  async listen(
    { listen: { hostname, port }, tls }: Config["admin"],
    surface: FetchFunction,
    waitMs = 0,
  ): Promise<void> {
    const front = compileTls([tls]);
    const untilMs = performance.now() + waitMs;
    for (;;) {
      try {
        this.#address = await this.#server.listen({ hostname, port }, fetchHandler(surface), { tls: front });
        break;
      } catch (error) {
        if (performance.now() > untilMs) throw error;
        await pause(RETRY_MS);
      }
    }
    const bound = { hostname, port: Number(this.#address.slice(this.#address.lastIndexOf(":") + 1)) };
    this.#url = reachableUrl(bound, front === null ? "http" : "https");
  }

  /** The next connections see these certificates; whether there are any stays as it was, since commands have noted how it is asked. */
  adjust({ tls }: Config["admin"]): void {
    if ((tls !== null) !== (this.#url?.startsWith("https:") ?? false)) return;
    this.#server.adjust(this.#address, { tls: compileTls([tls]) });
  }

  /** A request that does not end is left: nothing that it asks for can be done any more. */
  async close(): Promise<void> {
    await this.#server.close(GRACE_MS);
  }
}
