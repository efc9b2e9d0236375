import assert from "node:assert/strict";
import { listFiles, readText } from "./source_tree.ts";
import { ROOT_URL } from "./syntax.ts";

const files = listFiles();
const pages = files.filter((path) => path.endsWith(".md"));

/** Text of a page without its code blocks, which hold examples and not links. */
function proseOf(page: string): string {
  return readText(page).replaceAll(/^(```|~~~)[\s\S]*?^\1/gm, "");
}

/** Anchors that a page's headings have on the forge. */
function anchorsOf(page: string): Set<string> {
  const headings = [...proseOf(page).matchAll(/^#{1,6} (.+)$/gm)].map((match) => match[1] ?? "");
  return new Set(
    headings.map((text) => text.toLowerCase().replaceAll(/[^\p{L}\p{N}\s_-]/gu, "").trim().replaceAll(/\s/g, "-")),
  );
}

function linksOf(page: string): Array<{ path: string; anchor: string | undefined }> {
  const targets = [...proseOf(page).matchAll(/\]\(<?([^)\s>]+)>?(?:\s+"[^"]*")?\)/g)].map((match) => match[1] ?? "");
  return targets.filter((target) => !/^[a-z][a-z0-9+.-]*:/i.test(target)).map((target) => {
    const [file = "", anchor] = target.split("#");
    const path = file === "" ? page : new URL(file, new URL(page, ROOT_URL)).href.slice(ROOT_URL.href.length);
    return { path: decodeURI(path).replace(/\/$/, ""), anchor };
  });
}

Deno.test("docs: relative links lead to files that exist, and to headings in them", () => {
  const broken = pages.flatMap((page) =>
    linksOf(page).filter(({ path, anchor }) => {
      const exists = files.some((file) => file === path || file.startsWith(`${path}/`));
      return !exists || (anchor !== undefined && path.endsWith(".md") && !anchorsOf(path).has(anchor));
    }).map(({ path, anchor }) => `${page} -> ${path}${anchor === undefined ? "" : `#${anchor}`}`)
  );
  assert.deepEqual(broken, []);
});

Deno.test("docs: every source that ARCHITECTURE.md names exists", () => {
  const named = [...readText("ARCHITECTURE.md").matchAll(/`([a-z_]+(?:\/[a-z_]+)*(?:\.ts|\/))`/g)].map(([, path]) =>
    path!
  );
  const exists = (path: string) => files.some((file) => file === path || file.startsWith(path));
  // By their room, as `lib/` is left out; in the rooms' own rows by their folder or name alone.
  const missing = named.filter((path) =>
    ![path, `lib/${path}`].some(exists) && !files.some((file) => file.includes(`/${path}`))
  );
  assert.deepEqual(missing, []);
});

Deno.test("docs: README.md has the commands that start and test everything on a machine with only Node and npm; the start is in its first block", () => {
  const [first = "", ...others] = commandBlocks("README.md");
  assert.match(first, /^npx --yes deno@[\d.]+ task start\b/m);
  assert.match(others.join(""), /^npx --yes deno@[\d.]+ task test\b/m);
});

/** Headings of a page, as deep as each is. */
function headingDepths(page: string): number[] {
  return [...proseOf(page).matchAll(/^(#{1,6}) /gm)].map((match) => match[1]!.length);
}

/** What a page's blocks run or show, without what a comment says of it. */
function withoutComments(page: string): string[] {
  return commandBlocks(page).map((block) => block.replaceAll(/ +# .*$/gm, ""));
}

Deno.test("docs: README.zh-CN.md keeps step with README.md: headings, commands, links and rows, beside the way to a first client", () => {
  const [english, chinese] = ["README.md", "README.zh-CN.md"] as const;
  const own = headingDepths(english);
  const ways = headingDepths(chinese).filter((depth) => depth === 3).length - own.filter((depth) => depth === 3).length;
  // A heading for each of the ways that docs/clients.md begins with, and one for networks that block TMDB.
  const [table = ""] = /\n\| way [\s\S]*?\n\n/.exec(readText("docs/clients.md")) ?? [];
  assert.equal(ways, table.trim().split("\n").length - 2 + 1);
  assert.deepEqual(headingDepths(chinese).filter((depth) => depth < 3), own.filter((depth) => depth < 3));
  const shown = withoutComments(chinese);
  assert.deepEqual(shown.filter((block) => withoutComments(english).includes(block)), withoutComments(english));
  const links = new Set(linksOf(chinese).map(({ path, anchor }) => `${path}#${anchor}`));
  const missing = linksOf(english).filter(({ path, anchor }) => path !== english && !links.has(`${path}#${anchor}`));
  assert.deepEqual(missing.filter(({ path }) => path !== chinese), []);
  // Figures stand in one place: what is measured anew is written there alone.
  const rows = (page: string) =>
    readText(page).replace(/^## (?:How fast|有多快)$[\s\S]*?^## /m, "").match(/^\|/gm)!.length;
  assert.equal(rows(chinese), rows(english));
});

Deno.test("docs: a page that speaks of fields says once that they are what many call headers", () => {
  const speaking = pages.filter((page) => /^(?:README|docs\/|examples\/)/.test(page) && page !== "README.zh-CN.md")
    .filter((page) => /\bfields?\b/i.test(proseOf(page).replaceAll(/`[^`]*`|<!--[\s\S]*?-->/g, "")));
  const said = (page: string) => [...readText(page).matchAll(/what\s+many\s+call\s+(?:a\s+)?headers?/g)].length;
  assert.deepEqual(speaking.filter((page) => said(page) !== 1), []);
  assert.match(readText("README.zh-CN.md"), /很多人称为 header/);
});

Deno.test("docs: every task that a page names exists", () => {
  const tasks = Object.keys(JSON.parse(readText("deno.json")).tasks);
  const named = pages.flatMap((page) =>
    [...readText(page).matchAll(/\bdeno(?:@[\d.]+)? task (?:--quiet )?([a-z][a-z:-]*[a-z])/g)].map((match) => ({
      page,
      task: match[1] ?? "",
    }))
  );
  assert.deepEqual(named.filter(({ task }) => !tasks.includes(task)), []);
});

/** A page's code blocks. */
function commandBlocks(page: string): string[] {
  return [...readText(page).matchAll(/^(```|~~~)\w*\n([\s\S]*?)^\1/gm)].map((match) => match[2] ?? "");
}

/** Lines of a page's code blocks, without the prompt. */
function commandLines(page: string): string[] {
  return commandBlocks(page).flatMap((block) => block.replaceAll(/\\\n\s*/g, "").split("\n")).map((line) =>
    line.replace(/^\$ /, "")
  );
}

Deno.test("docs: no command waits for an answer at a terminal: deno run has --no-prompt, or -A", () => {
  const waiting = pages.flatMap((page) =>
    commandLines(page).filter((line) => /^(?:npx \S+ )?deno run /.test(line) && !/ (?:--no-prompt|-A) /.test(line))
      .map((line) => `${page}: ${line}`)
  );
  assert.deepEqual(waiting, []);
});

Deno.test("docs: the program \`usher\` is named only where the page has said how it is made", () => {
  // These two say how a machine and a container come to have it.
  const having = ["docs/docker.md", "docs/install.md"];
  const unmade = pages.filter((page) => {
    const lines = commandLines(page);
    const made = lines.findIndex((line) => /^deno install .*usher/.test(line));
    const named = lines.findIndex((line) => /^usher /.test(line));
    return named >= 0 && (made < 0 || named < made) && !having.includes(page);
  });
  assert.deepEqual(unmade, []);
  // In running text it is \`deno task check\`: that exists for everyone.
  const inText = pages.filter((page) =>
    /`usher (?:check|purge|prewarm|doctor|explain|health|reload)\b/.test(readText(page)) && !having.includes(page)
  );
  assert.deepEqual(inText, []);
});

Deno.test("docs: no file holds a path of somebody's machine", () => {
  const checkout = decodeURI(ROOT_URL.pathname).replace(/\/$/, "");
  const home = /(?<![\w.$}~-])(\/(home|Users)\/[a-z][\w.-]*\/|\/root\/|[A-Z]:\\Users\\)/;
  const found = files.filter((path) => !/\.(png|jpe?g|webp|avif|ico|woff2?|gz|sqlite3?)$/.test(path)).flatMap((path) =>
    readText(path).split("\n").map((line, index) => ({ line, where: `${path}:${index + 1}` }))
      .filter(({ line }) => (checkout.length > 1 && line.includes(checkout)) || home.test(line)).map(({ where }) =>
        where
      )
  );
  assert.deepEqual(found.filter((where) => !where.startsWith("tests/house/docs_test.ts:")), []);
});
