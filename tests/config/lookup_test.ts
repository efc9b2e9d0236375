import assert from "node:assert/strict";
import { prepareLookup } from "../../lib/config/yaml/lookup.ts";
import { parseText } from "../../lib/config/yaml/parse.ts";
import { names } from "./load_text.ts";

/** A look-up for `text` over one file. */
async function lookupFor(text: string) {
  const parsed = parseText(text);
  assert.ok(parsed.ok);
  const read: string[] = [];
  const lookup = await prepareLookup(parsed, {
    ...names,
    readTextFile(path) {
      read.push(path);
      if (path === "/secret") return Promise.resolve("s3cret\n");
      return path === "/long" ? Promise.resolve("x".repeat(100_000)) : Promise.reject(new Deno.errors.NotFound());
    },
    env(name) {
      if (name === "FORBIDDEN") throw new Deno.errors.NotCapable("no");
      return name === "SET" ? "1" : undefined;
    },
    cores: 1,
    cwd: "/",
  });
  return { lookup, read };
}

Deno.test("prepareLookup() reads each file once, and none that is not named", async () => {
  const { lookup, read } = await lookupFor(
    'a: ${file:/secret}\nb: ["${file:/secret}", "${file:/long}", "${file:/none}"]\n',
  );
  assert.deepEqual(read.sort(), ["/long", "/none", "/secret"]);
  assert.deepEqual(lookup.file("/secret"), { text: "s3cret\n" });
  assert.deepEqual(lookup.file("/none"), { problem: "there is no such file" });
  assert.deepEqual(lookup.file("/long"), { problem: "it is longer than 65536 characters" });
});

Deno.test("prepareLookup() reads a hundred files at most", async () => {
  const { lookup, read } = await lookupFor(
    Array.from({ length: 150 }, (_, index) => `k${index}: \${file:/f${index}}`).join("\n"),
  );
  assert.equal(read.length, 100);
  const refused = Array.from({ length: 150 }, (_, index) => lookup.file(`/f${index}`))
    .filter((file) => "problem" in file && file.problem.includes("more than 100"));
  assert.equal(refused.length, 50);
});

Deno.test("prepareLookup() takes a variable that may not be read as not set", async () => {
  const { lookup } = await lookupFor("a: 1\n");
  assert.deepEqual([lookup.env("SET"), lookup.env("NONE"), lookup.env("FORBIDDEN")], ["1", undefined, undefined]);
});
