import assert from "node:assert/strict";
import { HeldEnvironment, readEnv } from "../../../lib/workers/supervisor/environment.ts";

const NAME = "USHER_TEST_HELD_VARIABLE";

Deno.test("HeldEnvironment takes what was asked for out of the process and still knows it; the system's own stay", () => {
  Deno.env.set(NAME, "s3cret");
  try {
    const environment = new HeldEnvironment();
    environment.takeOut();
    assert.equal(Deno.env.get(NAME), "s3cret", "nobody asked for it");
    assert.equal(environment.get(NAME), "s3cret");
    assert.equal(environment.get("USHER_TEST_NOT_SET"), undefined);
    const path = environment.get("PATH");
    environment.takeOut();
    environment.takeOut();
    assert.equal(Deno.env.get(NAME), undefined);
    assert.equal(readEnv(NAME), undefined);
    assert.equal(environment.get(NAME), "s3cret");
    assert.equal(Deno.env.get("PATH"), path);
  } finally {
    Deno.env.delete(NAME);
  }
});
