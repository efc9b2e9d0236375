import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";

/** Handshakes with an upstream that has never answered which may be past a relay. */
const UNPROVEN = 2;

Deno.test({
  name: "a thousand handshakes that hang are gone when their time is over, towards clients, upstreams and proxies",
  // What a process has open is told by Linux alone.
  ignore: Deno.build.os !== "linux",
  async fn() {
    const script = fileURLToPath(new URL("./hanging_handshakes.ts", import.meta.url));
    const args = ["run", "--no-check", "--lock=deno.all.lock", "-A", script];
    const { stdout, stderr } = await new Deno.Command(Deno.execPath(), { args }).output();
    const [line = ""] = new TextDecoder().decode(stdout).split("\n");
    const left = line === "" ? assert.fail(new TextDecoder().decode(stderr)) : JSON.parse(line);
    assert.equal(left.clients, 0);
    assert.equal(left.withCertificate, 0);
    assert.equal(left.probes, 0);
    assert.ok(left.upstreams <= UNPROVEN, line);
    assert.ok(left.proxies <= UNPROVEN, line);
  },
});
