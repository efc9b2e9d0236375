import assert from "node:assert/strict";
import { carefulPath, carefulText, escapedPath } from "../../lib/http/careful_path.ts";
import {
  hasDotSegment,
  hostOf,
  inOneSpelling,
  isAuthority,
  requestTarget,
  splitKeyedPath,
} from "../../lib/http/target.ts";
import { RouteTable } from "../../lib/listener/route_table.ts";
import { linearPattern, PatternError } from "../../lib/pattern/linear_pattern.ts";
import { pathGlob } from "../../lib/pattern/path_glob.ts";
import { template } from "../../lib/pattern/template.ts";
import { textGlob } from "../../lib/pattern/text_glob.ts";
import { adminApp } from "../../routes/admin.ts";
import { loadText, SOUND } from "../config/load_text.ts";
import { carelessReadings, pathSpellings } from "../http/path_spellings.ts";
import { plainView } from "../routes/plain_view.ts";
import { bytesOf, type FuzzTarget } from "./fuzz_target.ts";

const ROUTES = new RouteTable([
  { hosts: [], prefix: "/", value: "open" },
  { hosts: [], prefix: "/private", value: "closed" },
]);
/** Longer is not read by the oracle, which reads in every order. */
const ORACLE_LENGTH = 60;
const EXAMPLE = Deno.readTextFileSync(new URL("../../config.example.yaml", import.meta.url));
/** As many lines as a listener or a pool with its keys has: all of it would take most of the time. */
const PARTS = EXAMPLE.split(/\n(?=[a-z])/).map((part) => part.split("\n").slice(0, 40).join("\n"));
const RULES = `${SOUND}    rules:
      - when: { path: "/a/*", method: [GET], query: { a: "1*" }, header: { x-a: "*" } }
        request: { rewrite: { from: "^/(.*)$", to: "/$1" }, set: { x: "$1" }, query: { set: { a: b } } }
      - { when: { path: "/b/**" }, response: { remove: [server], status: { "404": none } } }
`;
const BODIES = [
  '{"tag":"a","listener":"b"}',
  '{"listener":"a","paths":["/3"]}',
  '{"upstream":"http://a"}',
  '{"method":"GET","url":"/"}',
];
const ENDPOINTS = ["/purge", "/jobs/prewarm", "/pools/a/drain", "/lookup", "/reload", "/change-feeds/a", "/nowhere"];

/** What decides where a request goes, and what operators write. */
export const GATEWAY_TARGETS: readonly FuzzTarget[] = [
  {
    name: "targets",
    // deno-fmt-ignore
    pieces: [
      "/", "//", "\\", "%2f", "%5C", "%252f", "%c0%af", "%", "%2", ";", "%3b", ".", "..", "%2e", "private", "%70rivate", "/private/x", "x", "?", "#", "@", ":", ":80",
      "http://", "HTTPS://", "a", "[::1]", "~0123456789abcdef", "*", "é", " ", "\0",
    ],
    seeds: pathSpellings(1),
    shortRuns: 1_200,
    check(text) {
      const reading = carefulPath(text);
      assert.ok(reading.length <= text.length);
      assert.match(escapedPath(reading), /^[\x21-\x7e]*$/);
      carefulText(text);
      hostOf(text);
      const once = inOneSpelling(text);
      // A lone `%` may come to stand before two digits.
      if (!once.endsWith("?") && !/%(?![0-9a-f]{2})/i.test(text)) {
        assert.equal(inOneSpelling(once), once, "one spelling is the same when done twice");
      }
      const keyed = splitKeyedPath(text);
      if (keyed !== null) assert.ok(keyed.path.startsWith("/"));
      const target = requestTarget(text, "a.example");
      if (target === null || target.path.includes("#") || hasDotSegment(target.path)) return;
      if (!isAuthority(target.authority) || ROUTES.match(target.authority, target.path) !== "open") return;
      if (ROUTES.isDoubtful(target.authority, target.path, "open") || text.length > ORACLE_LENGTH) return;
      const closed = [...carelessReadings(text)].filter((path) => /^\/private(?:\/|$)/.test(path));
      assert.deepEqual(closed, [], "nobody reads an open path as a closed one");
    },
  },
  {
    name: "config",
    // deno-fmt-ignore
    pieces: [
      "\n", "  ", "- ", ": ", "{", "}", "[", "]", "&a ", "*a", "<<: ", "!!binary ", "!<x> ", "|\n", ">-\n", "---\n", "...\n", "%YAML 1.2\n", "? ", "'", '"', "\\u0000",
      "${A}", "${file:a}", "${A:-${A}}", "$", "pools:", "listeners:", "include: a", "cache:", "null", "~", "1e999", "0x1f", "-1", "5m", "1GiB", "__proto__: 1", "\t", "\0", "é",
      "[".repeat(200), "{a: ".repeat(100), "- ".repeat(200),
    ],
    seeds: [...PARTS, SOUND, RULES, `${SOUND}server: { workers: 2 }\ncache: { memory: 1MiB }\n`],
    shortRuns: 250,
    async check(text) {
      const result = await loadText(new TextDecoder().decode(bytesOf(text)), { env: { A: "b", EMPTY: "" } });
      if (result.ok) return;
      assert.ok(result.problems.length > 0);
      for (const { file, line, column, message } of result.problems) {
        assert.equal(file, "config.yaml");
        // What is said of the file as a whole has no line.
        const isPlaced = line >= 1 && column >= 1 || line === 0 && column === 0;
        assert.ok(isPlaced && message.length > 0, `${line}:${column} ${JSON.stringify(message)}`);
      }
    },
  },
  {
    name: "patterns",
    // deno-fmt-ignore
    pieces: [
      "a", "(", ")", "(?:", "(?=", "[", "]", "[^/]", "[a-z]", "*", "+", "?", "{2}", "{2,}", "{0,9999}", "|", "^", "$", ".", "\\d", "\\1", "\\", "$1", "$$", "**", "/", "é",
      "(a+)+", "(a|a)*", "(.*)(.*)(.*)",
    ],
    seeds: ["^/v3/(.*)$", "/t/*/p/**", "(a+)+$", "[^/]+\\.(?:jpg|png)$", "a{2,5}b?"],
    shortRuns: 2_500,
    check(text) {
      const subject = "a/".repeat(300) + "!";
      try {
        const found = linearPattern(text).exec(subject);
        if (found !== null) assert.ok(found.start >= 0 && found.start <= found.end && found.end <= subject.length);
      } catch (error) {
        if (!(error instanceof PatternError)) throw error;
      }
      const groups = pathGlob(text.slice(0, 300)).match(subject);
      assert.ok(groups === null || Array.isArray(groups));
      textGlob(text.slice(0, 300));
      template(text).fill(["x", "y"]);
    },
  },
  {
    name: "admin-bodies",
    // deno-fmt-ignore
    pieces: [
      "{", "}", "[", "]", '"', ":", ",", "null", "true", "1e999", "-1", '"tag"', '"url"', '"glob"', '"listener"', '"paths"', '"hard"', '"all":true', "\\u0000", "\\ud800",
      '"__proto__":{}', '"***"', "[".repeat(500), '"http://a/"', '"/"', "é",
    ],
    seeds: BODIES,
    shortRuns: 400,
    async check(text, random) {
      const path = `/api/v1${ENDPOINTS[Math.floor(random() * ENDPOINTS.length)]}`;
      const view = plainView();
      const headers = { host: "127.0.0.1:6636", "content-type": "application/json" };
      const init = { method: "POST", headers, body: bytesOf(text) };
      const response = await adminApp(view).request(path, init, { remote: "127.0.0.1" });
      const body = await response.text();
      assert.ok(response.status < 500, `${path} answers ${response.status}: ${body}`);
      assert.doesNotThrow(() => body === "" || JSON.parse(body));
    },
  },
];
