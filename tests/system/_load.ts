import { type Fetched, fetched } from "./_gateway.ts";

/** Continuous load on a gateway. */
export interface Load {
  /** Responses so far. */
  readonly done: number;
  /** Waits for `count` more responses. */
  more(count: number): Promise<void>;
  /** Ends the load and says what came of it. */
  stop(): Promise<LoadResult>;
}

/** What became of all requests of a load. */
export interface LoadResult {
  readonly sent: number;
  readonly answered: number;
  /** Responses other than 200, and requests without one, by what was seen. */
  readonly failures: readonly string[];
}

/** How a load is made. */
export interface LoadOptions {
  /** Requests at a time. @default {8} */
  readonly connections?: number;
  /** The `n`th request. */
  readonly url: (n: number) => string;
  readonly init?: RequestInit;
  /** Whether a response is what was asked for. @default status 200 */
  readonly accepts?: (response: Fetched, n: number) => boolean;
  /** Pause of each connection between two requests, in milliseconds, so that the load leaves room for what it watches. @default {2} */
  readonly pauseMs?: number;
}

/** Starts a load that goes on until it is stopped. Every request is counted, and so is every answer. */
export function startLoad({ connections = 8, url, init, accepts, pauseMs = 2 }: LoadOptions): Load {
  let sent = 0;
  let answered = 0;
  let stopping = false;
  const failures: string[] = [];
  const isGood = accepts ?? ((response: Fetched) => response.status === 200);
  const one = async (n: number) => {
    try {
      const response = await fetched(url(n), init);
      answered++;
      if (isGood(response, n)) return;
      failures.push(
        `${url(n)}: ${response.status} ${response.cacheStatus} ${new TextDecoder().decode(response.bytes)}`,
      );
    } catch (error) {
      failures.push(`${url(n)}: ${error}`);
    }
  };
  const worker = async () => {
    while (!stopping) {
      await one(sent++);
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  };
  const running = Promise.all(Array.from({ length: connections }, worker));
  return {
    get done() {
      return answered;
    },
    async more(count) {
      const goal = answered + failures.length + count;
      while (answered + failures.length < goal) await new Promise((resolve) => setTimeout(resolve, 5));
    },
    async stop() {
      stopping = true;
      await running;
      return { sent, answered, failures };
    },
  };
}
