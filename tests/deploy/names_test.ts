import assert from "node:assert/strict";
import { parse, parseAllDocuments } from "yaml";
import { bomOf } from "../../.ci/sbom.ts";
import { listFiles, readText } from "../house/source_tree.ts";

const { version, image } = JSON.parse(readText("deno.json")) as { version: string; image: string };

Deno.test("the image is named in deno.json, and compose.yaml, the manifests and every page name the same one", () => {
  assert.match(image, /^[a-z\d.-]+(?::\d+)?(?:\/[a-z\d._-]+)+$/, "a registry and a path, without a tag");
  assert.equal(parse(readText("compose.yaml")).services.usher.image, `${image}:${version}`);
  const [set] = parseAllDocuments(readText("deploy/kubernetes/usher.yaml")).map((document) => document.toJS())
    .filter(({ kind }) => kind === "StatefulSet");
  assert.deepEqual(set.spec.template.spec.containers.map((one: { image: string }) => one.image), [
    `${image}:${version}`,
  ]);
  const places = listFiles().filter((path) =>
    /^(?:README\.|docs\/|deploy\/|compose|SECURITY|CHANGELOG)/.test(path) && /\.(?:md|ya?ml)$/.test(path)
  );
  const registry = image.split("/")[0]!;
  const named = places.flatMap((path) =>
    [...readText(path).matchAll(new RegExp(`${RegExp.escape(registry)}/\\S+?(?=[\\s\`'")]|$)`, "gm"))].map((
      [name],
    ) => ({ path, name }))
  );
  assert.ok(["compose.yaml", "docs/docker.md"].every((path) => named.some((one) => one.path === path)));
  assert.deepEqual(named.filter(({ name }) => name !== `${image}:${version}`), []);
});

Deno.test("the version is a release of CHANGELOG.md, which has the form of Keep a Changelog, newest first", () => {
  const page = readText("CHANGELOG.md");
  const releases = [...page.matchAll(/^## \[([^\]]+)\](?: - (.+))?$/gm)].map(([, name, day]) => ({ name, day }));
  assert.equal(releases[0]!.name, "Unreleased");
  assert.equal(releases[1]!.name, version);
  for (const { day } of releases.slice(1)) assert.match(day!, /^(?:\d{4}-\d\d-\d\d|unreleased)$/);
  const kinds = [...page.matchAll(/^### (.+)$/gm)].map(([, kind]) => kind!);
  const known = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security", "Upgrade"];
  assert.deepEqual(kinds.filter((kind) => !known.includes(kind)), []);
});

Deno.test("CHANGELOG.md and docs/install.md name the layout of the disk cache that the code writes", () => {
  const [, layout] = /^const LAYOUT = (\d+);$/m.exec(readText("lib/cache/disk/kv_inspect.ts"))!;
  assert.ok(readText("CHANGELOG.md").includes(`layout ${layout} (\`usher.kv\`)`));
  assert.ok(readText("docs/install.md").includes(`usher.kv.layout-${layout} `));
});

Deno.test("the list of parts has Usher, Deno and every package that is locked, each with the digest of the lock file", () => {
  const { npm } = JSON.parse(readText("deno.lock"));
  const bom = bomOf({ version, npm, deno: Deno.version.deno });
  assert.equal(bom.metadata.component.version, version);
  const [deno, ...libraries] = bom.components;
  assert.equal(deno!.purl, `pkg:generic/deno@${Deno.version.deno}`);
  assert.deepEqual(libraries.map(({ name, version }) => `${name}@${version}`), Object.keys(npm));
  for (const { hashes } of libraries) assert.match(hashes![0]!.content, /^[\da-f]{128}$/);
  const scoped = bomOf({ version, npm: { "@img/colour@1.0.0": { integrity: "sha512-AAEC" } }, deno: "2" })
    .components[1]!;
  assert.deepEqual([scoped.name, scoped.version, scoped.purl, scoped.hashes![0]!.content], [
    "@img/colour",
    "1.0.0",
    "pkg:npm/%40img/colour@1.0.0",
    "000102",
  ]);
});
