import assert from "node:assert/strict";
import { CHINESE } from "../../routes/dashboard/page/chinese.js";

const FOLDER = "routes/dashboard/page";

/** Every text that the page's sources hand to `t`. */
function texts(): string[] {
  const sources = [...Deno.readDirSync(FOLDER)].filter(({ name }) => name.endsWith(".js"));
  const found = sources.flatMap(({ name }) =>
    [...Deno.readTextFileSync(`${FOLDER}/${name}`).matchAll(/\bt\(\s*"([^"]+)"/g)].map((match) => match[1]!)
  );
  return [...new Set(found)].sort();
}

function placeholders(text: string): string[] {
  return (text.match(/\{\w+\}/g) ?? []).sort();
}

Deno.test("page: every text is there in Chinese too, with the same values in it, and none is left over", () => {
  const words: Readonly<Record<string, string>> = CHINESE;
  assert.ok(texts().length > 150);
  assert.deepEqual(Object.keys(words).sort(), texts());
  for (const [english, chinese] of Object.entries(words)) {
    assert.deepEqual(placeholders(chinese), placeholders(english), english);
  }
});
