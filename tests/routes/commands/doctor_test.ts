import assert from "node:assert/strict";
import type { Finding, FindingState } from "../../../lib/inspect/finding.ts";
import type { Diagnosis } from "../../../lib/inspect/doctor.ts";
import { doctorReport } from "../../../routes/commands/doctor.ts";
import { painter } from "../../../routes/commands/text_layout.ts";

function finding(check: string, state: FindingState, text = "text", remedy: string | null = null): Finding {
  return { check, state, text, remedy };
}

function diagnosis(findings: readonly Finding[], more: Partial<Diagnosis> = {}): Diagnosis {
  const count = (state: FindingState) => findings.filter((one) => one.state === state).length;
  return {
    file: "config.yaml",
    warnings: [],
    pools: [{
      pool: "p",
      type: "custom",
      upstreams: [{ id: "http://one.example", findings, clock_ahead_ms: null }],
      keys: [finding("key 1", "ok", "valid")],
    }],
    machine: [finding("data_dir", "ok")],
    summary: { ok: count("ok"), warn: count("warn"), fail: count("fail"), skip: count("skip") },
    ...more,
  };
}

const plain = (what: Diagnosis) => doctorReport(what, painter(false));

Deno.test("doctorReport() has a line for each finding, what to do below it, and a verdict", () => {
  const text = plain(
    diagnosis([finding("name", "fail", "no A record", "mend the name server"), finding("ipv4", "warn")]),
  );
  assert.match(text, /^ {2}http:\/\/one\.example$/m);
  assert.match(text, /^ {4}FAIL {2}name {6}no A record\n {20}-> mend the name server$/m);
  assert.match(text, /^ {4}warn {2}ipv4 {6}text$/m);
  assert.match(text, /^ {4}ok {4}key 1 {5}valid$/m);
  assert.match(text, /1 check failed, 1 warning$/);
  assert.match(plain(diagnosis([])), /All is well$/);
});

Deno.test("doctorReport() fits into 100 columns and lets no upstream write to the terminal", () => {
  const hostile = finding("http", "fail", `status 200 \x1b[2J${"long words ".repeat(40)}`, "do ".repeat(90));
  const text = plain(diagnosis([hostile], { warnings: ["config.yaml:1:1 x: y"] }));
  // deno-lint-ignore no-control-regex
  assert.doesNotMatch(text, /\x1b/);
  for (const line of text.split("\n")) assert.ok(line.length <= 100, line);
  assert.match(text, /^warning: {2}config\.yaml:1:1 x: y/);
});

Deno.test("doctorReport() colours marks for a terminal", () => {
  assert.ok(doctorReport(diagnosis([finding("name", "fail")]), painter(true)).includes("\x1b[31mFAIL\x1b[0m  name"));
});
