import assert from "node:assert/strict";

/** Those that need nothing but this user's rights and leave the machine its processor. */
const FAULTS = [
  ...["worker-dies", "killed", "upgraded", "paused", "reloaded", "reloaded-wrongly", "slow-clients"],
  ...["no-handshake", "hang", "reset-in-body", "truncated", "garbage", "503"].map((name) => `one upstream: ${name}`),
  "both upstreams: refused",
  ...["kv-locked", "kv-removed", "data-dir-removed"],
];

Deno.test("a gateway under load that is broken in every way gives no wrong answer (deno task chaos, short)", async () => {
  const { code, stdout } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--no-prompt", "--no-check", "--lock=deno.all.lock", "--allow-all", "tests/chaos/run.ts"],
      ...["--minutes", "1.2", "--seed", "7", "--rate", "60", "--connections", "12", "--only", FAULTS.join()],
    ],
    env: { NO_COLOR: "1" },
    stderr: "inherit",
  }).output();
  const text = new TextDecoder().decode(stdout);
  assert.equal(code, 0, text);
  assert.match(text, /Nothing was wrong\./);
  const count = (what: string) => Number(new RegExp(`^\\| ${what} +\\| (\\d+)`, "m").exec(text)?.[1]);
  assert.ok(count("responses checked") > 300, text);
  assert.ok(count("faults inflicted") >= 10, text);
});
