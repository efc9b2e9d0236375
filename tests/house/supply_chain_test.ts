import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { workerPermissions } from "../../lib/workers/supervisor/worker_permissions.ts";
import { listFiles, readText } from "./source_tree.ts";
import { ROOT_URL } from "./syntax.ts";

interface Lock {
  readonly specifiers: Readonly<Record<string, string>>;
  readonly npm: Readonly<Record<string, { readonly integrity?: string; readonly scripts?: boolean }>>;
}

for (const name of ["deno.lock", "deno.all.lock"]) {
  Deno.test(`${name}: every package has its digest and exact version, and none has scripts that run when it is installed`, () => {
    const { specifiers, npm } = JSON.parse(readText(name)) as Lock;
    for (const [id, { integrity, scripts }] of Object.entries(npm)) {
      assert.match(integrity ?? "", /^sha512-[\w+/]{86}==$/, id);
      assert.notEqual(scripts, true, `${id} has install scripts`);
    }
    for (const specifier of Object.keys(specifiers)) {
      assert.match(specifier, /^npm:(?:@[\w.-]+\/)?[\w.-]+@\d+\.\d+\.\d+$/);
    }
  });
}

Deno.test("nothing lets packages run scripts, and every npm: specifier is of one version", () => {
  const files = listFiles().filter((path) => /\.(?:ts|js|json|sh|ya?ml)$|(?:^|\/)(?:Dockerfile|run)$/.test(path));
  let found = 0;
  for (const path of files.filter((path) => !/^tests\/house\/|lock$/.test(path))) {
    const text = readText(path);
    assert.doesNotMatch(text, /--allow-scripts|"allowScripts"/, path);
    for (const [, specifier] of text.matchAll(/["'\s](npm:[^"'`\s]+)/g)) {
      assert.match(specifier!, /^npm:(?:@[\w.-]+\/)?[\w.-]+@\d+\.\d+\.\d+(?:\/[\w./-]*)?$/, `${path}: ${specifier}`);
      found++;
    }
  }
  assert.ok(found >= 8, `${found} specifiers were looked at`);
});

/** Bundles the program; the digest of what comes out. */
async function bundleDigest(output: string): Promise<string> {
  const args = ["bundle", "--quiet", "--frozen", "--output", output, "main.ts"];
  const bundle = new Deno.Command(Deno.execPath(), { args, cwd: ROOT_URL, env: { NO_COLOR: "1" } });
  const { success, stderr } = await bundle.output();
  assert.ok(success, new TextDecoder().decode(stderr));
  return createHash("sha256").update(await Deno.readFile(output)).digest("hex");
}

Deno.test("two bundles of one folder have one digest", async () => {
  const scratch = await Deno.makeTempDir();
  try {
    const one = await bundleDigest(join(scratch, "one.js"));
    assert.equal(await bundleDigest(join(scratch, "two.js")), one);
  } finally {
    await Deno.remove(scratch, { recursive: true });
  }
});

const KINDS = ["net", "read", "write", "env", "sys", "run", "ffi"] as const;

/** Rows of the table of permissions by the name of the process. */
function documented(): Map<string, Record<string, string>> {
  const table = /^\| process [\s\S]*?\n\n/m.exec(readText("docs/security.md"))![0];
  const rows = table.trim().split("\n").map((line) => line.split("|").slice(1, -1).map((cell) => cell.trim()));
  const [head = [], , ...body] = rows;
  assert.deepEqual(head.slice(1), KINDS);
  return new Map(
    body.map(([name = "", ...cells]) => [name, Object.fromEntries(KINDS.map((kind, at) => [kind, cells[at]!]))]),
  );
}

Deno.test("docs/security.md says what each task of deno.json grants", () => {
  const { tasks } = JSON.parse(readText("deno.json"));
  for (const name of ["start", "start:images", "start:pinned"]) {
    const grants = new Map<string, string>();
    for (const [, kind, values] of tasks[name].command.matchAll(/--allow-([a-z]+)(?:=(\S+))?/g)) {
      grants.set(
        kind,
        values === undefined ? "all" : values.split(",").map((value: string) => `\`${value}\``).join(", "),
      );
    }
    const expected = Object.fromEntries(KINDS.map((kind) => [kind, grants.get(kind) ?? "no"]));
    assert.deepEqual(documented().get(`\`deno task ${name}\``), expected, name);
    assert.deepEqual([...grants.keys()].filter((kind) => !KINDS.includes(kind as "net")), [], name);
  }
});

Deno.test("docs/security.md says what each worker may do", async () => {
  const dataDir = await Deno.makeTempDir();
  const listeners = [{ listen: { path: join(dataDir, "sockets", "a.sock") } }] as never;
  const words = new Map<string, string>([[dataDir, "`data_dir`"], [
    join(dataDir, "sockets"),
    "folders of unix sockets",
  ]]);
  for (const role of ["serving", "health", "image"] as const) {
    const { import: _import, ...permissions } = workerPermissions(role, { dataDir, listeners });
    const said = Object.fromEntries(
      Object.entries(permissions).map(([kind, value]) => {
        if (Array.isArray(value)) return [kind, value.map((one) => words.get(String(one)) ?? `\`${one}\``).join(", ")];
        return [kind, value === false ? "no" : value === "inherit" ? "as the process" : String(value)];
      }),
    );
    assert.deepEqual(documented().get(`${role} worker`), said, role);
  }
  await Deno.remove(dataDir);
});
