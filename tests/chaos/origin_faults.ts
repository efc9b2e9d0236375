/** What can be wrong with an origin: on its connections, in its heads, in its content. */
export const ORIGIN_FAULTS = {
  "none": "nothing",
  "refused": "connections are reset at once",
  "no-handshake": "connections are accepted and nothing is said, TLS handshakes included",
  "reset": "connections are reset when a request has come",
  "hang": "requests are never answered",
  "slow-head": "heads come 1.5 s late",
  "slow-body": "content comes in eight pieces, 250 ms apart",
  "stall-in-body": "half of the content comes, then nothing more",
  "reset-in-body": "half of the content comes, then a reset",
  "truncated": "seven tenths of the content come, then an end",
  "garbage": "bytes that are not HTTP",
  "half-a-head": "a head that ends in its middle",
  "endless-head": "a head of 2 MB",
  "bad-chunks": "chunks that are malformed",
  "two-lengths": "two lengths that contradict each other",
  "block-page": "another media type, as a block page has",
  "500": "status 500",
  "502": "status 502",
  "503": "status 503",
  "504": "status 504",
  "interim": "five interim responses before each response",
} as const;

/** The name of one of {@linkcode ORIGIN_FAULTS}. */
export type OriginFault = keyof typeof ORIGIN_FAULTS;

/** Whether a text names one. */
export function isOriginFault(name: string): name is OriginFault {
  return Object.hasOwn(ORIGIN_FAULTS, name);
}

/** What is wrong with an origin at a time. */
export const ORIGIN_FAULT_NAMES: readonly OriginFault[] = (Object.keys(ORIGIN_FAULTS) as OriginFault[]).filter((name) =>
  name !== "none"
);

/** Starts an origin and tells where it is. */
export interface ChaosOrigin {
  readonly url: string;
  readonly secureUrl: string;
  /** The authority of its certificate, in PEM. */
  readonly ca: string;
  /** What is wrong with it from now on. */
  have(fault: OriginFault): Promise<void>;
  report(): Promise<OriginReport>;
  close(): Promise<void>;
}

/** What an origin has seen. */
export interface OriginReport {
  readonly requests: number;
  /** Unsafe requests with different ids. */
  readonly unsafe: number;
  /** Ids of those that came more than once. */
  readonly repeated: readonly string[];
}

/** Starts one as a process and waits until it listens. */
export async function startChaosOrigin(): Promise<ChaosOrigin> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-prompt",
      "--no-check",
      "--lock=deno.all.lock",
      "--allow-net",
      "--allow-env",
      "--allow-read",
      "tests/chaos/chaos_origin.ts",
    ],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (!text.includes("\n")) {
    const { done, value } = await reader.read();
    if (done) throw new Error(`The origin ended before it listened: ${text}`);
    text += value;
  }
  const { url, secureUrl, reportUrl, ca } = JSON.parse(text);
  const writer = child.stdin.getWriter();
  return {
    url,
    secureUrl,
    ca,
    have: (fault) => writer.write(new TextEncoder().encode(`${fault}\n`)),
    report: async () => await (await fetch(reportUrl)).json(),
    async close() {
      await writer.close().catch(() => {});
      await reader.cancel();
      await child.status;
    },
  };
}
