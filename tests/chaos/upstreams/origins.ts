/** An origin of `chaos_origin.ts` in a process of its own. */
export interface ChaosOrigin {
  readonly url: string;
  /** How it answers from now on; counts begin anew. */
  mode(name: string): Promise<void>;
  /** Requests since it was told its mode. */
  count(): Promise<number>;
  signal(signal: Deno.Signal): void;
  /** Ends it, stopped or not. */
  close(): Promise<void>;
}

/** Starts one and waits until it listens. */
export async function startChaosOrigin(): Promise<ChaosOrigin> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "--allow-net=127.0.0.1", "--allow-env", "tests/chaos/upstreams/chaos_origin.ts"],
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
    mode: async (name) => void await (await fetch(`${url}/_mode/${name}`)).text(),
    count: async () => Number(await (await fetch(`${url}/_count`)).text()),
    signal: (signal) => child.kill(signal),
    async close() {
      if (!isGone) child.kill("SIGKILL");
      await reader.cancel();
      await child.status;
    },
  };
}
