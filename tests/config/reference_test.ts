import assert from "node:assert/strict";
import { configReference } from "../../routes/commands/config_reference.ts";
import { configOf } from "./load_text.ts";

const reference = configReference();

Deno.test("docs/config.md is what configReference() makes (`deno test -A tests/config/reference_test.ts -- --update`)", async () => {
  const file = new URL("../../docs/config.md", import.meta.url);
  if (Deno.args.includes("--update")) await Deno.writeTextFile(file, reference);
  assert.equal(await Deno.readTextFile(file), reference);
});

Deno.test("configReference() links only to headings that it has", () => {
  const anchors = [...reference.matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) =>
    heading.toLowerCase().replaceAll(/[^\w -]/g, "").replaceAll(" ", "-")
  );
  const links = [...reference.matchAll(/\]\(#([^)]*)\)/g)].map(([, link]) => link);
  assert.ok(links.length > 10);
  assert.deepEqual(links.filter((link) => !anchors.includes(link ?? "")), []);
});

Deno.test("configReference() opens with a file that works", async () => {
  const [, text = ""] = /```yaml\n([^`]*)```/.exec(reference) ?? [];
  assert.equal((await configOf(text)).listeners.length, 1);
});
