import assert from "node:assert/strict";
import { configOf, SOUND } from "./load_text.ts";

Deno.test("buildRewriting() changes images alone where nothing is said", async () => {
  const [listener] = (await configOf(SOUND)).listeners;
  const { publicUrl, rewriteImageBase, overrides } = listener!;
  assert.deepEqual({ publicUrl, rewriteImageBase, overrides }, {
    publicUrl: null,
    rewriteImageBase: true,
    overrides: [],
  });
});

Deno.test("buildRewriting() takes over what is said, in order", async () => {
  const [listener] = (await configOf(`
pools:
  a: { type: custom, upstreams: [https://one.example] }
listeners:
  - name: a
    pool: a
    public_url: HTTPS://Films.example/
    overrides:
      - { path: /b, query: { lang: de }, merge: { x: null } }
      - { path: /a/**, merge: [] }
`)).listeners;
  assert.equal(listener!.publicUrl, "https://films.example");
  assert.deepEqual(listener!.overrides, [
    { path: "/b", query: { lang: "de" }, merge: { x: null } },
    { path: "/a/**", query: {}, merge: [] },
  ]);
});
