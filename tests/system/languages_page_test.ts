import assert from "node:assert/strict";
import { parse } from "yaml";
import { demoApiKey, startTmdbOrigin } from "../origins/tmdb_origin.ts";
import { withGateway } from "../pipeline/in_process_gateway.ts";

const page = await Deno.readTextFile("docs/languages.md");
const { pools, listeners } = parse(/^```yaml\n([^]*?)^```/m.exec(page)![1]!);
const steps = /^```text\n([^]*?)^```/m.exec(page)![1]!.split(/^\$ /m).slice(1).map((step) =>
  step.trimEnd().split("\n")
);

Deno.test("docs/languages.md: each command gets what the page shows, with the page's configuration", async () => {
  assert.equal(steps.length, 4);
  const origin = await startTmdbOrigin();
  try {
    const pool = { ...pools["tmdb-api"], api_keys: [demoApiKey], health: false, upstreams: [origin.url] };
    await withGateway({ pools: { "tmdb-api": pool }, listeners }, async ({ ask }) => {
      for (const [command = "", ...shown] of steps) {
        const target = /^curl -si 'http:\/\/usher\.lan:6635(\/[^']*)'$/.exec(command)?.[1];
        assert.ok(target !== undefined, command);
        const { cacheStatus, text } = await ask(target);
        assert.deepEqual(shown, [`cache-status: ${cacheStatus}`, text].slice(0, shown.length), command);
      }
    });
  } finally {
    await origin.close();
  }
});
