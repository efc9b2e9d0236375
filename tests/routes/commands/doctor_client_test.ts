import assert from "node:assert/strict";
import { join } from "node:path";
import { clientOrder, readAuthority } from "../../../routes/commands/doctor_client.ts";

Deno.test("clientOrder() refuses a token that no listener can have, without repeating it", () => {
  for (const token of ["two words of a token", "short", "a/../b?c=d#efghijklmnop", "é".repeat(20)]) {
    assert.throws(() => clientOrder({ client: "curl", token }), (error: Error) => {
      assert.match(error.message, /^--token wants a token of 16 to 256 letters/);
      return !error.message.includes(token);
    });
  }
  assert.equal(clientOrder({ client: "curl", token: "5f3c9a1e7b2d4068" })?.token, "5f3c9a1e7b2d4068");
});

Deno.test("readAuthority() refuses a file without a certificate, or with a broken one", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const file = join(folder, "ca.pem");
    for (
      const [text, reason] of [
        ["pools: {}\n", /holds none$/],
        ["-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", /holds one that cannot be read$/],
      ] as const
    ) {
      await Deno.writeTextFile(file, text);
      await assert.rejects(readAuthority(file), { message: reason });
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
