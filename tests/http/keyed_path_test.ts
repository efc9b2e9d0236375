import assert from "node:assert/strict";
import { splitKeyedPath } from "../../lib/http/target.ts";

const TOKEN = "abc.DEF_~-0123456";

Deno.test("splitKeyedPath() takes a token off the front, and no other byte", () => {
  const paths: ReadonlyArray<readonly [string, string]> = [
    [`/~${TOKEN}/3/movie/550`, "/3/movie/550"],
    [`/%7E${TOKEN}/t/p//a%2fb`, "/t/p//a%2fb"],
    [`/%7e${TOKEN}//3`, "//3"],
    [`/~${TOKEN}/`, "/"],
    [`/~${TOKEN}`, "/"],
  ];
  for (const [path, rest] of paths) assert.deepEqual(splitKeyedPath(path), { token: TOKEN, path: rest }, path);
});

Deno.test("splitKeyedPath() leaves every other path alone", () => {
  const others = ["/", "/~", "/3/movie/550", "/~anna/page", `/3/~${TOKEN}`, `/~${TOKEN}%2f3`, `/~${"x".repeat(257)}/3`];
  for (const path of others) assert.equal(splitKeyedPath(path), null, path);
});
