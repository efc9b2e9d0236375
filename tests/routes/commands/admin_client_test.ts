import assert from "node:assert/strict";
import { refusalOf } from "../../../routes/commands/admin_client.ts";

Deno.test("refusalOf() repeats nothing that moves a terminal's cursor", () => {
  const value = { detail: 'Pool "p" has no upstream "\u001b[31mx\n\u009b2J\u202e"' };
  const text = refusalOf({ ok: false, status: 404, value });
  assert.equal(text, 'The gateway refused (404): Pool "p" has no upstream "?[31mx??2J?"');
});
