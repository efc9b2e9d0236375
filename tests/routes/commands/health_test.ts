import assert from "node:assert/strict";
import { plainHealthFlags } from "../../../routes/commands/health.ts";
import { ROOT_URL } from "../../house/syntax.ts";

/** As much of `deno info --json` as is read. */
interface Graph {
  readonly roots: readonly string[];
  readonly modules: readonly {
    readonly specifier: string;
    readonly dependencies?: readonly {
      readonly isDynamic?: boolean;
      readonly code?: { readonly specifier?: string };
    }[];
  }[];
}

Deno.test("D3: a health check loads a handful of small files and no package", async () => {
  const { stdout, code } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", "routes/commands/health.ts"],
    cwd: ROOT_URL,
  }).output();
  assert.equal(code, 0);
  const graph: Graph = JSON.parse(new TextDecoder().decode(stdout));
  const modules = new Map(graph.modules.map((module) => [module.specifier, module]));
  const loaded = new Set<string>();
  const visit = (specifier: string) => {
    if (loaded.has(specifier)) return;
    loaded.add(specifier);
    for (const { isDynamic, code } of modules.get(specifier)?.dependencies ?? []) {
      if (isDynamic !== true && code?.specifier !== undefined) visit(code.specifier);
    }
  };
  visit(graph.roots[0]!);
  assert.ok([...loaded].every((specifier) => /^(?:file|node):/.test(specifier)), [...loaded].join("\n"));
  const files = [...loaded].filter((specifier) => specifier.startsWith("file:"));
  assert.ok(files.length <= 8, files.join("\n"));
  const bytes = files.reduce((sum, url) => sum + Deno.statSync(new URL(url)).size, 0);
  assert.ok(bytes < 32 * 1024, `${bytes} bytes`);
});

Deno.test("plainHealthFlags() reads the plain forms, and leaves all others to the command line", () => {
  assert.deepEqual(plainHealthFlags([]), {});
  for (const args of [["--config", "a b.yaml"], ["-c", "a b.yaml"], ["--config=a b.yaml"]]) {
    assert.deepEqual(plainHealthFlags(args), { config: "a b.yaml" }, args.join(" "));
  }
  const others = [["--help"], ["--config"], ["--config="], ["-c", "-x"], ["--admin", "http://[::1]:1"], ["x"], [
    "-c",
    "a",
    "b",
  ]];
  for (const args of others) assert.equal(plainHealthFlags(args), null, args.join(" "));
});
