import assert from "node:assert/strict";
import { CLIENTS } from "../../lib/clients/client_table.ts";
import { ROOT_URL } from "../house/syntax.ts";
import { clientIndex, clientPage } from "./client_pages.ts";

const MARKS = /<!-- clients: [\s\S]*?<!-- end of clients -->/;

/** A page as it is meant: without what the formatter makes of lines and tables. */
function meaning(text: string): string {
  return text.replaceAll(/-+/g, "-").replaceAll(/\s+/g, " ").trim();
}

const fileOf = (path: string) => new URL(path, ROOT_URL);

async function update(): Promise<void> {
  const index = fileOf("docs/clients.md");
  await Deno.writeTextFile(index, (await Deno.readTextFile(index)).replace(MARKS, clientIndex()));
  await Deno.mkdir(fileOf("docs/clients/"), { recursive: true });
  for (const client of CLIENTS) await Deno.writeTextFile(fileOf(`docs/clients/${client.word}.md`), clientPage(client));
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: ["fmt", "--quiet", "docs/clients.md", "docs/clients"],
    cwd: ROOT_URL,
  }).output();
  assert.ok(success);
}

Deno.test("docs/clients.md and docs/clients/ are what the table of clients makes (`deno test -A tests/clients/client_pages_test.ts -- --update`)", async () => {
  if (Deno.args.includes("--update")) await update();
  const index = MARKS.exec(await Deno.readTextFile(fileOf("docs/clients.md")))?.[0] ?? "";
  assert.equal(meaning(index), meaning(clientIndex()));
  const pages = [...Deno.readDirSync(fileOf("docs/clients/"))].map(({ name }) => name).sort();
  assert.deepEqual(pages, CLIENTS.map(({ word }) => `${word}.md`).sort());
  for (const client of CLIENTS) {
    const page = await Deno.readTextFile(fileOf(`docs/clients/${client.word}.md`));
    assert.equal(meaning(page), meaning(clientPage(client)), client.word);
  }
});

Deno.test("clients: words and other names are each of one client, and every client has a way or says why not", () => {
  const words = CLIENTS.flatMap(({ word, aliases }) => [word, ...aliases]);
  assert.equal(new Set(words).size, words.length);
  for (const { word, ways, needs } of CLIENTS) {
    assert.match(word, /^[a-z-]+$/);
    assert.equal(new Set(ways.map(({ way }) => way)).size, ways.length);
    assert.ok(ways.length > 0 || needs.startsWith("cannot be led here"), word);
  }
});
