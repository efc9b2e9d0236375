import assert from "node:assert/strict";
import { explanationReport } from "../../../routes/commands/explain.ts";
import { explain } from "../../../lib/inspect/explain.ts";
import { painter } from "../../../routes/commands/text_layout.ts";
import { configOf } from "../../gateway/config_of.ts";

const config = await configOf({
  pools: {
    api: {
      type: "tmdb-api",
      upstreams: [{ url: "https://api.example/base", host: "other.example", resolve: "203.0.113.7" }],
    },
    files: { type: "custom", health: false, upstreams: ["http://127.0.0.1:9"] },
  },
  listeners: [
    { name: "api", listen: "127.0.0.1:6635", prefix: "/3", pool: "api" },
    { name: "files", listen: "127.0.0.1:6635", prefix: "/files", pool: "files", cache: { mode: "off" } },
  ],
});

async function report(target: string, method = "GET", isColoured = false): Promise<string> {
  const request = { method, to: null, authority: null, target, fields: [] };
  return explanationReport(await explain(config, request, (_, rule) => `rule ${rule + 1}`), painter(isColoured));
}

Deno.test("explanationReport() says who takes a request, what is stored and what is sent", async () => {
  const text = await report("/3/movie/550");
  assert.match(text, /takes it {2}api {4}127\.0\.0\.1:6635 {2}\/3 {6}pool api/);
  assert.match(text, /no {8}files {2}.*its prefix \/files does not begin the path/);
  assert.match(text, /^ {2}200 application\/json +6h +1d +60d +memory\+disk {2}class details$/m);
  assert.match(text, /^ {2}503 application\/json +not stored +status$/m);
  assert.match(
    text,
    /^ {2}https:\/\/api\.example\/base \(weight 1, at 203\.0\.113\.7\)\n {4}GET {2}\/base\/3\/movie\/550\n {4}Host: {2}other/m,
  );
});

Deno.test("explanationReport() says what is private, not cached, refused, or taken by nobody", async () => {
  assert.match(await report("/3/account/1"), /private \(user-state\): never stored/);
  assert.match(await report("/files/a"), /cache +off for this listener/);
  assert.match(await report("/3/../x"), /The gateway refuses it: 400 bad_request\n {2}The path has a dot segment/);
  assert.match(await report("/4/x"), /No listener takes it\./);
});

Deno.test("explanationReport() fits into 100 columns, whatever the request, and colours for a terminal alone", async () => {
  const long = `/3/movie/550?append_to_response=${"credits,".repeat(60)}images&${"x=1&".repeat(100)}`;
  for (const target of [long, "/4/x", "/files/a"]) {
    for (const line of (await report(target)).split("\n").slice(1)) assert.ok(line.length <= 100, line);
  }
  // deno-lint-ignore no-control-regex
  assert.match(await report("/3/movie/550", "GET", true), /\x1b\[32m {2}takes it/);
});
