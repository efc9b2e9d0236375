import assert from "node:assert/strict";
import { problemsOf } from "./load_text.ts";

Deno.test("storing keys are checked with their place in the file", async () => {
  const problems = await problemsOf(`pools: { p: { type: custom, upstreams: [http://a.example] } }
listeners:
  - name: l
    pool: p
    cache:
      disk_quota: 1KiB
      set_cookie: keep
      cookies: all
      range: some
      targeted_fields: ["a b"]
      compress: { codings: [deflate], min_size: 0 }
`);
  assert.deepEqual(
    problems.map((problem) => problem.split(": ")[0]).sort(),
    [
      "6:19 listeners[0].cache.disk_quota",
      "7:19 listeners[0].cache.set_cookie",
      "8:16 listeners[0].cache.cookies",
      "9:14 listeners[0].cache.range",
      "10:25 listeners[0].cache.targeted_fields[0]",
      "11:29 listeners[0].cache.compress.codings[0]",
      "11:49 listeners[0].cache.compress.min_size",
    ].sort(),
  );
});
