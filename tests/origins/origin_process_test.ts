import assert from "node:assert/strict";

Deno.test("origin_process.ts says where it listens, serves, and dies with its process", async () => {
  const script = new URL("./origin_process.ts", import.meta.url).pathname;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-q", "--allow-net=127.0.0.1", script, "--keys", "k1,k2"],
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const line = (await reader.read()).value!;
  const { url, pid } = JSON.parse(line);
  assert.equal(pid, child.pid);
  assert.equal((await (await fetch(`${url}/3/movie/550?api_key=k2`)).json()).id, 550);
  child.kill("SIGKILL");
  await child.status;
  await reader.cancel();
  await assert.rejects(fetch(`${url}/3/movie/550?api_key=k2`));
});
