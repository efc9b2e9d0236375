import assert from "node:assert/strict";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import type { Config } from "../../lib/config/config.ts";
import { adminApp } from "../../routes/admin.ts";
import { configOf, loadText } from "../config/load_text.ts";
import { readText } from "../house/source_tree.ts";
import { ROOT_URL } from "../house/syntax.ts";
import { plainView } from "../routes/plain_view.ts";
import { hasLinter, lint, without } from "./linters.ts";

const TOKEN = "0123456789abcdef0123456789abcdef";

const manifests = parseAllDocuments(readText("deploy/kubernetes/usher.yaml")).map((document) => document.toJS());
const manifest = (kind: string) => manifests.find((one) => one.kind === kind)!;
const pod = manifest("StatefulSet").spec.template.spec;
const [container] = pod.containers;

/** The text of the config map, as the container finds it. */
const mapped: string = manifest("ConfigMap").data["config.yaml"];

/** `45s` as a number of milliseconds. */
const millisecondsOf = (text: string) => parseInt(text) * 1000;

Deno.test("deploy/kubernetes: the config map is a configuration, and ports, time to stop and volumes are those of the pod", async () => {
  const config: Config = await configOf(mapped, { env: { ADMIN_TOKEN: TOKEN } });
  const port = (name: string) =>
    container.ports.find((one: { name: string }) => one.name === name).containerPort as number;
  assert.deepEqual(
    new Set(config.listeners.flatMap(({ listen }) => "port" in listen ? [listen.port] : [])),
    new Set([port("http")]),
  );
  assert.equal(config.admin.listen.port, port("admin"));
  assert.equal(config.admin.listen.hostname, "0.0.0.0", "the kubelet asks the address of the pod");
  const { shutdownDelayMs, shutdownGraceMs, dataDir } = config.server;
  assert.ok(shutdownDelayMs >= 5_000);
  assert.ok(pod.terminationGracePeriodSeconds * 1000 > shutdownDelayMs + shutdownGraceMs);
  const mounts = Object.fromEntries(
    container.volumeMounts.map(({ name, mountPath }: { name: string; mountPath: string }) => [name, mountPath]),
  );
  assert.deepEqual(mounts, { config: "/etc/usher", data: dataDir, tmp: "/tmp" });
  assert.equal(manifest("StatefulSet").spec.volumeClaimTemplates[0].metadata.name, "data");
  const [served] = manifest("Service").spec.ports;
  assert.deepEqual(
    [manifest("Service").spec.ports.length, served.targetPort],
    [1, "http"],
    "the admin address stays in",
  );
});

Deno.test("deploy/kubernetes: what the configuration takes from variables is given by the secret, and it does not start without a token", async () => {
  const named = [...mapped.matchAll(/\$\{(\w+)/g)].map(([, name]) => name);
  assert.deepEqual(named.sort(), container.env.map(({ name }: { name: string }) => name).sort());
  for (const { valueFrom } of container.env) assert.equal(valueFrom.secretKeyRef.name, "usher");
  assert.equal((await loadText(mapped)).ok, false);
});

Deno.test("deploy/kubernetes: each probe asks a path that the admin address answers without a token", async () => {
  const app = adminApp(plainView({ tokens: [{ name: "one", token: TOKEN, role: "operate" }] }));
  for (const probe of ["startupProbe", "readinessProbe", "livenessProbe"]) {
    const { path, port } = container[probe].httpGet;
    assert.equal(port, "admin");
    assert.equal((await app.request(path)).status, 200, path);
  }
  assert.equal((await app.request("/status")).status, 401);
});

Deno.test("deploy/kubernetes: the pod runs as the image's user and may do nothing but its work", () => {
  const [, user] = /^USER (\d+):\1$/m.exec(readText("Dockerfile"))!;
  const { runAsNonRoot, runAsUser, fsGroup, seccompProfile } = pod.securityContext;
  assert.deepEqual([runAsNonRoot, runAsUser, fsGroup], [true, Number(user), Number(user)]);
  assert.deepEqual(seccompProfile, { type: "RuntimeDefault" });
  assert.deepEqual(container.securityContext, {
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ["ALL"] },
  });
  assert.equal(pod.automountServiceAccountToken, false);
});

/** Settings of the unit by name; one that stands more than once has all its values. */
const unit = new Map<string, string[]>();
for (const [, name, value] of readText("deploy/systemd/usher.service").matchAll(/^(\w+)=(.*)$/gm)) {
  unit.set(name!, [...unit.get(name!) ?? [], value!]);
}

Deno.test("deploy/systemd: the unit's command lines are commands of the program, which takes the file that USHER_CONFIG names", async () => {
  const environment = Object.fromEntries(unit.get("Environment")!.map((pair) => pair.split("=")));
  assert.deepEqual(Object.keys(environment).sort(), [
    "MALLOC_ARENA_MAX",
    "MALLOC_MMAP_THRESHOLD_",
    "USHER_CONFIG",
    "USHER_RUN_DIR",
    "USHER_UNPACK_DIR",
  ]);
  const directory = await Deno.makeTempDir({ prefix: "usher-test-" });
  try {
    // A start gets as far as this file, and a reload as far as looking for the gateway.
    const file = join(directory, "config.yaml");
    await Deno.writeTextFile(file, "admin: { listen: 127.0.0.1:1 }\npoools: {}\n");
    const env = { ...environment, USHER_CONFIG: file, USHER_RUN_DIR: directory };
    const expected = {
      ExecStart: /config\.yaml:2:1 poools: /,
      ExecReload: /No gateway answers at http:\/\/127\.0\.0\.1:1\b/,
    };
    for (const [name, message] of Object.entries(expected)) {
      const [program, ...args] = unit.get(name)![0]!.split(" ");
      assert.equal(program, "/usr/local/bin/usher");
      const { code, text } = await runMain(args, { env, cwd: directory });
      assert.match(text, message);
      assert.equal(code, 1, name);
    }
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

async function runMain(args: readonly string[], options: { env: Record<string, string>; cwd: string }) {
  const permissions = [
    "--no-prompt",
    "--allow-net",
    "--allow-read",
    "--allow-env",
    "--allow-write",
    "--allow-sys=statfs",
  ];
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", ...permissions, new URL("main.ts", ROOT_URL).href, ...args],
    ...options,
    env: { NO_COLOR: "1", ...options.env },
  }).output();
  return { code, text: new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr) };
}

Deno.test("deploy/systemd: folders are where the example and the program write, and a stop has its time", async () => {
  const { server } = await configOf(readText("config.example.yaml"), { env: { GRAFANA_TOKEN: TOKEN } });
  assert.ok(millisecondsOf(unit.get("TimeoutStopSec")![0]!) > server.shutdownDelayMs + server.shutdownGraceMs);
  const [folder] = unit.get("StateDirectory")!;
  assert.equal(unit.get("WorkingDirectory")![0], `/var/lib/${folder}`);
  assert.ok(unit.get("Environment")!.includes(`USHER_RUN_DIR=/run/${unit.get("RuntimeDirectory")![0]}`));
  assert.ok(unit.get("Environment")!.includes(`USHER_UNPACK_DIR=/var/cache/${unit.get("CacheDirectory")![0]}`));
  for (const name of ["DynamicUser", "NoNewPrivileges", "PrivateDevices", "ProtectHome"]) {
    assert.deepEqual(unit.get(name), ["yes"], name);
  }
  assert.ok(!unit.has("MemoryDenyWriteExecute"), "the runtime compiles what it runs");
});

Deno.test({
  name: `deploy/systemd: systemd-analyze takes the unit and finds it tight${without("systemd-analyze")}`,
  ignore: !hasLinter("systemd-analyze"),
  async fn() {
    const directory = await Deno.makeTempDir({ prefix: "usher-test-" });
    try {
      // It looks for the program, which is not installed here.
      const text = readText("deploy/systemd/usher.service").replaceAll("/usr/local/bin/usher", "/usr/bin/env");
      const path = join(directory, "usher.service");
      await Deno.writeTextFile(path, text);
      await lint("systemd-analyze", ["verify", "--man=no", path]);
      await lint("systemd-analyze", ["security", "--no-pager", "--offline=true", "--threshold=20", path]);
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  },
});
