import type { Clock } from "../clock.ts";
import type { TracingConfig } from "../config/tracing.ts";
import type { Logger } from "../logging/logger.ts";
import { exporterName } from "../request/request_trace.ts";
import { newSpanCounts, type SpanCounts, SpanExporter } from "../tracing/span_exporter.ts";
import { Tracer } from "../tracing/tracer.ts";

/** Time for the last spans to be sent: of a configuration that is replaced, and at the end. */
const LEAVE_MS = 3_000;

/** What a worker's {@linkcode Tracing} is made of. */
export interface TracingDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly instanceId: string;
  /** Milliseconds for the last spans to be sent; for tests. */
  readonly leaveMs?: number;
}

/** A configuration's tracer and exporter. */
export interface PreparedTracing {
  /** What it was made from; the same is used on. */
  readonly signature: string;
  readonly tracer: Tracer;
  readonly exporter: SpanExporter;
}

/** One worker's tracing: the tracer in force, and the exporter that spans go to, also those that began under a configuration before. */
export class Tracing {
  readonly #deps: TracingDeps;
  readonly #counts = newSpanCounts();
  #current: PreparedTracing | null = null;
  /** Exporters that still send what they have. */
  readonly #leaving = new Set<Promise<void>>();
  readonly #leaveMs: number;

  constructor(deps: TracingDeps) {
    this.#deps = deps;
    this.#leaveMs = deps.leaveMs ?? LEAVE_MS;
  }

  /** `null` where nothing is traced. */
  get tracer(): Tracer | null {
    return this.#current?.tracer ?? null;
  }

  /** What became of spans; `null` while nothing was ever traced. */
  get counts(): SpanCounts | null {
    const isNone = this.#current === null && Object.values(this.#counts).every((count) => count === 0);
    return isNone ? null : this.#counts;
  }

  /** What a configuration asks for; nothing is opened. */
  prepare(config: TracingConfig | null): PreparedTracing | null {
    if (config === null) return null;
    const signature = JSON.stringify(config);
    if (this.#current?.signature === signature) return this.#current;
    const { clock, logger, instanceId } = this.#deps;
    const { url, headers, sampling, resource } = config;
    const exporter = new SpanExporter({
      target: {
        url,
        headers: { ...headers, "user-agent": exporterName(instanceId) },
        resource: [...resource, ["service.instance.id", instanceId], ["process.pid", Deno.pid]],
      },
      counts: this.#counts,
      onTrouble: (problem) =>
        problem === null
          ? logger.info("Traces reach their collector again", { url })
          : logger.warn("Traces do not reach their collector", { url, problem }),
    });
    const onEnd = (span: Parameters<SpanExporter["add"]>[0]) => (this.#current?.exporter ?? exporter).add(span);
    return { signature, exporter, tracer: new Tracer({ sampling, clock, onEnd }) };
  }

  /** Puts it in force. The exporter before sends what it has. */
  commit(prepared: PreparedTracing | null): void {
    const before = this.#current;
    if (before === prepared) return;
    this.#current = prepared;
    if (before === null) return;
    const leaving = before.exporter.close(this.#leaveMs).finally(() => this.#leaving.delete(leaving));
    this.#leaving.add(leaving);
  }

  /** Sends what is left, at most for `graceMs`, and never for long: a stop does not wait for a collector that is away. */
  async close(graceMs: number): Promise<void> {
    await Promise.all([this.#current?.exporter.close(Math.min(graceMs, this.#leaveMs)), ...this.#leaving]);
  }
}
