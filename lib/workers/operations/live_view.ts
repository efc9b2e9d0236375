import { shownPrewarm } from "../figures/prewarm_figures.ts";
import { HISTORY_INTERVAL_MS, type HistorySample, type RequestHistory } from "../figures/request_history.ts";
import type { Problem } from "../../logging/problem_book.ts";
import type { Status } from "../figures/status.ts";
import { EventStreams } from "./event_streams.ts";
import type { PrewarmStatus } from "./prewarmer.ts";

/** Workers gather problems before they tell them: one may come after a tick that is younger than itself. */
const LATE_MS = 1_000;

/** What is shown live. */
export interface LiveViewOptions {
  /** As the workers last reported. */
  readonly status: () => Status;
  readonly prewarms: () => readonly PrewarmStatus[];
  readonly history: () => RequestHistory;
  /** The newest first. */
  readonly problems: () => readonly Problem[];
}

/** The gateway as a page shows it: how it came to where it is, and how it goes on. */
export class LiveView {
  readonly #options: LiveViewOptions;
  readonly #streams: EventStreams;
  /** When readers were last told what is new. */
  #toldMs = 0;

  constructor(options: LiveViewOptions) {
    this.#options = options;
    this.#streams = new EventStreams({
      hello: (reader) => ({
        ...{ type: "hello", ...reader, ...this.#now() },
        problems: this.#problems(0),
        history: this.history(),
      }),
      tick: () => this.#tick(),
    });
  }

  /** Samples of the last minutes, the oldest first. */
  history(minutes = 15): { readonly interval_ms: number; readonly samples: readonly HistorySample[] } {
    const samples = this.#options.history().samples(Date.now() - minutes * 60_000);
    return { interval_ms: HISTORY_INTERVAL_MS, samples };
  }

  /** A stream for one more reader, see {@linkcode EventStreams.open}. */
  open(reader: Readonly<Record<string, unknown>>): ReadableStream<Uint8Array<ArrayBuffer>> | null {
    return this.#streams.open(reader);
  }

  /** Ends all streams: another configuration may know other tokens. */
  restart(): void {
    this.#streams.restart();
  }

  /** Ends all streams for good. */
  close(): void {
    this.#streams.close();
  }

  #tick(): unknown {
    const sinceMs = this.#toldMs;
    this.#toldMs = Date.now();
    const samples = this.#options.history().samples(sinceMs);
    return { type: "tick", ...this.#now(), samples, problems: this.#problems(sinceMs - LATE_MS) };
  }

  /** Problems of after a moment, the newest first. */
  #problems(sinceMs: number) {
    const news = this.#options.problems().filter(({ atMs }) => atMs > sinceMs);
    return news.map(({ atMs, ...problem }) => ({ at: new Date(atMs).toISOString(), ...problem }));
  }

  /** What each event shows. */
  #now() {
    const { status, prewarms } = this.#options;
    return { status: status(), jobs: prewarms().map(shownPrewarm) };
  }
}
