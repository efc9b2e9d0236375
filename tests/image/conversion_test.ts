import assert from "node:assert/strict";
import { MEDIA_TYPES } from "../../lib/image/conversion.ts";

Deno.test("MEDIA_TYPES names each format as the IANA does", () => {
  assert.deepEqual(Object.values(MEDIA_TYPES), ["image/avif", "image/webp", "image/jpeg", "image/png"]);
});
