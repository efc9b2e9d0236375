import assert from "node:assert/strict";

const LISTENER = new URL("../fixtures/signal_listener.ts", import.meta.url);

/** Lines of a stream, one a call. */
function linesOf(stream: ReadableStream<Uint8Array<ArrayBuffer>>) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  return {
    async next(): Promise<string> {
      while (!text.includes("\n")) {
        const { value, done } = await reader.read();
        assert.ok(!done, `the process ended after ${JSON.stringify(text)}`);
        text += value;
      }
      const end = text.indexOf("\n");
      const line = text.slice(0, end);
      text = text.slice(end + 1);
      return line;
    },
    cancel: () => reader.cancel(),
  };
}

Deno.test({
  name: "onSignals() takes SIGHUP as reload, SIGTERM and SIGINT as stop, until it is told to listen no more",
  ignore: Deno.build.os === "windows",
  async fn() {
    const child = new Deno.Command(Deno.execPath(), { args: ["run", "--no-prompt", LISTENER.href], stdout: "piped" })
      .spawn();
    const lines = linesOf(child.stdout);
    assert.equal(await lines.next(), "listening");
    const asked: [signal: Deno.Signal, answers: string[]][] = [
      ["SIGHUP", ["reload"]],
      ["SIGHUP", ["reload"]],
      ["SIGTERM", ["stop"]],
      ["SIGINT", ["stop", "deaf"]],
    ];
    for (const [signal, answers] of asked) {
      child.kill(signal);
      for (const answer of answers) assert.equal(await lines.next(), answer, signal);
    }
    // Nobody listens: the system does with it what it does by itself.
    child.kill("SIGHUP");
    assert.equal((await child.status).signal, "SIGHUP");
    await lines.cancel();
  },
});
