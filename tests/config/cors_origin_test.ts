import assert from "node:assert/strict";
import { parseCorsOrigin } from "../../lib/config/cors.ts";

Deno.test("parseCorsOrigin() writes origins as browsers do", () => {
  const cases: ReadonlyArray<readonly [string, string]> = [
    ["*", "*"],
    ["https://App.Example", "https://app.example"],
    ["http://app.example:80", "http://app.example"],
    ["http://app.example:443", "http://app.example:443"],
    ["https://bücher.example", "https://xn--bcher-kva.example"],
    ["http://192.0.2.7:8096", "http://192.0.2.7:8096"],
    ["http://[2001:DB8::1]:8096", "http://[2001:db8::1]:8096"],
    ["https://*.home.example", "https://*.home.example"],
    ["http://localhost:*", "http://localhost:*"],
    ["capacitor://localhost", "capacitor://localhost"],
    ["moz-extension://3f2504e0-4f89", "moz-extension://3f2504e0-4f89"],
  ];
  for (const [text, origin] of cases) assert.equal(parseCorsOrigin(text), origin, text);
});

Deno.test("parseCorsOrigin() refuses what browsers never send", () => {
  const bad = [
    ...[
      "",
      "null",
      "app.example",
      "https://",
      "https://app.example/",
      "https://app.example?x",
      "https://user@app.example",
    ],
    ...[
      "https://*",
      "https://a.*.example",
      "https://**.example",
      "https://app.example:99999",
      "https://app example",
      "**",
    ],
  ];
  for (const text of bad) assert.equal(parseCorsOrigin(text), null, text);
});
