/** An origin in a process of its own. */
export interface OriginProcess {
  readonly url: string;
  /** Sends a signal. */
  signal(signal: Deno.Signal): void;
  /** Ends it, stopped or not. */
  close(): Promise<void>;
}

/** Starts `tests/origins/origin_process.ts` and waits until it listens. */
export async function startOriginProcess(latencyMs: number): Promise<OriginProcess> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-prompt",
      "--allow-net=127.0.0.1",
      "--allow-read",
      "tests/origins/origin_process.ts",
      "--latency",
      String(latencyMs),
    ],
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (!text.includes("\n")) {
    const { done, value } = await reader.read();
    if (done) throw new Error(`The origin ended before it listened: ${text}`);
    text += value;
  }
  const { url } = JSON.parse(text);
  let isGone = false;
  child.status.then(() => isGone = true);
  return {
    url,
    signal: (signal) => child.kill(signal),
    async close() {
      if (!isGone) child.kill("SIGKILL");
      await reader.cancel();
      await child.status;
    },
  };
}
