import { pause } from "../../clock.ts";
import type { Config } from "../../config/config.ts";
import type { Logger } from "../../logging/logger.ts";
import type { Drained } from "../drained.ts";
import type { Fleet } from "./fleet.ts";

/** Connections end after their next reply for so long at the end of `shutdown_delay`: a balancer opens new ones, to another gateway. */
const WIND_DOWN_MS = 2_000;
/** The same where another gateway takes over. */
const HAND_OVER_MS = 500;

/** Options of {@linkcode Departure}. */
export interface DepartureOptions {
  readonly fleet: Pick<Fleet, "windDown" | "leave">;
  readonly config: () => Config;
  readonly logger: Logger;
}

/** What comes before the end of a gateway: a delay, or another gateway that takes its place. */
export class Departure {
  readonly #options: DepartureOptions;
  readonly #handedOver = new AbortController();
  #hasBegun = false;
  #isDelayed = false;
  #isHandedOver = false;

  constructor(options: DepartureOptions) {
    this.#options = options;
  }

  /** Whether the gateway will end soon. */
  get hasBegun(): boolean {
    return this.#hasBegun;
  }

  /** The end is near, whatever comes before it. */
  begin(): void {
    this.#hasBegun = true;
  }

  /** Says that it stops, and serves everything for `shutdown_delay` still, or until `skipped` or handed over. */
  async delay(skipped: AbortSignal): Promise<void> {
    this.begin();
    const { fleet, logger, config } = this.#options;
    const { shutdownDelayMs } = config().server;
    const ended = AbortSignal.any([skipped, this.#handedOver.signal]);
    if (shutdownDelayMs === 0 || this.#isHandedOver) return;
    logger.info("Usher is about to stop, and serves on until then", {
      delay_ms: shutdownDelayMs,
      hint: "A second signal ends that",
    });
    this.#isDelayed = true;
    const windDownMs = Math.min(WIND_DOWN_MS, shutdownDelayMs / 2);
    await pause(shutdownDelayMs - windDownMs, ended);
    if (!ended.aborted) fleet.windDown();
    await pause(windDownMs, ended);
    this.#isDelayed = false;
  }

  /**
   * Lets go of listeners and files for another gateway, which `actor` is; `release` closes what beside the workers uses them. What is
   * under way goes on. `false` where it stops already, or is handed over to a third.
   */
  async handOver(actor: string, release: () => Promise<void>): Promise<boolean> {
    if (this.#isHandedOver || (this.#hasBegun && !this.#isDelayed)) return false;
    this.begin();
    this.#isHandedOver = true;
    const { fleet, logger } = this.#options;
    logger.write({ audit: "hand over", actor });
    logger.info("Another gateway takes over");
    fleet.windDown();
    await pause(HAND_OVER_MS);
    await fleet.leave();
    await release();
    this.#handedOver.abort();
    return true;
  }

  /** The last line: that the process ended as asked, and whether anybody noticed. */
  end({ finished, cut, sinceStart }: Drained): void {
    const requests = finished === 1 ? "request" : "requests";
    this.#options.logger.info(`Usher has stopped, ${finished} ${requests} finished`, { cut, since_start: sinceStart });
  }
}
