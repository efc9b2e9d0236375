import { messageOf } from "../../errors.ts";
import type { Config } from "../../config/config.ts";
import { ConversionQueue, type Order, type QueueOptions } from "../../image/conversion_queue.ts";
import { serveImages } from "../../image/image_port.ts";
import { type Codec, loadSharpCodec } from "../../image/sharp_codec.ts";
import type { Logger } from "../../logging/logger.ts";
import { newWorkerCounts } from "../../metrics/gateway_metrics.ts";
import type { FromWorker, InitMessage, PeerName, PrewarmResult, ReadResult, WorkerReport } from "../messages.ts";
import { LoopMonitor } from "./loop_monitor.ts";
import { runWorker, type WorkerRole } from "./worker_runtime.ts";

/** Runs this worker as the image worker, until the supervisor ends it. */
export function runImageWorker(): void {
  const scope = globalThis as unknown as { postMessage(message: FromWorker): void };
  const fail = (reason: string) => scope.postMessage({ type: "failed", reason });
  runWorker((init, logger) => Promise.resolve(new ImageWorker(init, { logger, load: loadSharpCodec, fail })));
}

/** What an image worker takes from outside. */
export interface ImageWorkerDeps {
  readonly logger: Logger;
  /** @throws {Error} when nothing can be converted here */
  readonly load: () => Promise<Codec>;
  /** Has the supervisor put another worker in the place of this one. */
  readonly fail: (reason: string) => void;
}

/** Converts pictures for all serving workers. Where it cannot it says so, and they serve originals. */
export class ImageWorker implements WorkerRole {
  readonly #loop = new LoopMonitor();
  readonly #ports = new Map<PeerName, MessagePort>();
  readonly #logger: Logger;
  readonly #fail: ImageWorkerDeps["fail"];
  #current: Pick<InitMessage, "generation" | "config">;
  #prepared: Pick<InitMessage, "generation" | "config"> | null = null;
  #queue: ConversionQueue | null = null;
  /** Why nothing can be converted; `null` where something can, or while that is not known yet. */
  #problem: string | null = null;

  constructor({ generation, config }: Pick<InitMessage, "generation" | "config">, deps: ImageWorkerDeps) {
    this.#current = { generation, config };
    this.#logger = deps.logger.in("cache");
    this.#fail = deps.fail;
    // Its own time is nobody's to wait for: until then it refuses.
    deps.load().then((codec) => this.#begin(codec), (error) => this.#giveUp(error));
  }

  peer(peer: PeerName, port: MessagePort): void {
    this.#ports.get(peer)?.close();
    this.#ports.set(peer, port);
    serveImages(port, (order) => this.#take(order));
  }

  peerGone(peer: PeerName): void {
    this.#ports.get(peer)?.close();
    this.#ports.delete(peer);
  }

  prepare(generation: number, config: Config): void {
    this.#prepared = { generation, config };
  }

  commit(): void {
    this.#current = this.#prepared ?? this.#current;
    this.#prepared = null;
    this.#queue?.reconfigure(boundsOf(this.#current.config));
  }

  abort(): void {
    this.#prepared = null;
  }

  /** It holds nothing. */
  purge(): null {
    return null;
  }

  /** It serves nothing. */
  prewarm(): Promise<PrewarmResult> {
    return Promise.resolve({ outcome: "busy", detail: null, bytes: 0 });
  }

  /** It has no upstreams. */
  read(): Promise<ReadResult> {
    return Promise.resolve({ outcome: "busy", body: null, detail: null, retryAfterMs: null });
  }

  report(): WorkerReport {
    return {
      generation: this.#current.generation,
      counts: newWorkerCounts(),
      memory: null,
      disk: null,
      diskProblem: null,
      byListener: {},
      purgeRules: 0,
      flights: 0,
      backgroundTasks: 0,
      connections: {},
      resilience: null,
      loopLagMs: this.#loop.takeWorstMs(),
      loop: this.#loop.counts,
      heapBytes: Deno.memoryUsage().heapUsed,
      health: null,
      images: { ...(this.#queue?.figures ?? { running: 0, waiting: 0, overdue: 0 }), problem: this.#problem },
    };
  }

  /** What is under way is given up: nobody waits for it any more. */
  stop(): Promise<void> {
    this.#loop.close();
    for (const port of this.#ports.values()) port.close();
    this.#ports.clear();
    return Promise.resolve();
  }

  #take(order: Order): void {
    if (this.#queue !== null) return this.#queue.add(order);
    order.answer(
      this.#problem === null
        ? { kind: "refused", detail: "the image worker is still starting" }
        : { kind: "unavailable", detail: this.#problem },
    );
  }

  #begin(codec: Codec): void {
    this.#queue = new ConversionQueue(codec, boundsOf(this.#current.config));
    this.#queue.onJammed = () => this.#fail("every conversion that is under way has been so for far too long");
  }

  async #giveUp(error: unknown): Promise<void> {
    const { state } = await Deno.permissions.query({ name: "ffi" });
    const isAllowed = state === "granted";
    this.#problem = isAllowed ? firstLines(error) : "the permission --allow-ffi is not granted";
    this.#logger.warn("Pictures cannot be converted: originals are served", {
      reason: this.#problem,
      hint: isAllowed
        ? "Install the package `sharp`: deno install"
        : "`sharp` is native code: start with `deno task start:images`, or give --allow-ffi",
    });
  }
}

function boundsOf({ images }: Config): QueueOptions {
  return images;
}

/** What `sharp` says is a page of advice; its beginning names the cause. */
function firstLines(error: unknown): string {
  const text = messageOf(error);
  return text.split("\n").slice(0, 2).join(" ").slice(0, 300);
}
