import assert from "node:assert/strict";
import { compileArguments } from "../../.ci/compile.ts";
import { launcher } from "../../.ci/dist.ts";
import { readText } from "../house/source_tree.ts";

const HEAP = "--v8-flags=--max-semi-space-size=8";

Deno.test("wherever the gateway is started, freed memory goes back to the system and young heaps are small, alike", () => {
  const { tasks } = JSON.parse(readText("deno.json"));
  const dist = launcher({ version: "1.2.3", target: "x", digest: "abc" });
  const images = { malloc: readText("Dockerfile"), heap: readText("deploy/docker/usher") };
  const starts: Record<string, { readonly malloc: string; readonly heap: string }> = {
    ...Object.fromEntries(["start", "start:images", "start:pinned"].map((name) => {
      const { command } = tasks[name] as { command: string };
      return [name, { malloc: command.slice(0, command.indexOf("deno run ")), heap: command }];
    })),
    image: images,
    dist: { malloc: dist, heap: dist },
    // A compiled program carries the flag, and takes the rest of the unit.
    program: {
      malloc: readText("deploy/systemd/usher.service"),
      heap: compileArguments({ target: "x", out: "dist" }).join(" "),
    },
  };
  for (const [name, { malloc, heap }] of Object.entries(starts)) {
    // In the launcher a value from outside counts before these.
    assert.match(malloc, /\bMALLOC_ARENA_MAX=(?:\$\{MALLOC_ARENA_MAX:-)?2\b/, name);
    assert.match(malloc, /\bMALLOC_MMAP_THRESHOLD_=(?:\$\{MALLOC_MMAP_THRESHOLD_:-)?131072\b/, name);
    assert.ok(heap.split(/\s+/).includes(HEAP), name);
  }
});
