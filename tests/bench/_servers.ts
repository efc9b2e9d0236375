import { freePort } from "../free_port.ts";
import type { Target } from "./_load.ts";

/** The servers of one comparison. */
export interface Servers extends AsyncDisposable {
  target(name: string): Target;
}

/** Starts origin, gateway and bare server for bodies of `bytes`. */
export async function startServers(bytes: number): Promise<Servers> {
  const directory = await Deno.makeTempDir({ prefix: "usher-bench-" });
  const ports = { origin: freePort(), gateway: freePort(), admin: freePort(), raw: freePort() };
  await Deno.writeTextFile(`${directory}/config.yaml`, config(ports, directory));
  const permissions = ["--allow-net", "--allow-read", "--allow-env", `--allow-write=${directory}`];
  const children = [spawn("1", ["run", "--allow-net", fixture("_origin.ts"), String(ports.origin), String(bytes)])];
  children.push(spawn("0", ["run", ...permissions, "main.ts", "start", "--config", `${directory}/config.yaml`]));
  await answers(`http://127.0.0.1:${ports.admin}/ready`);
  const hit = `http://127.0.0.1:${ports.gateway}/memory/body`;
  await warm(hit);
  children.push(spawn("0", ["run", "--allow-net", fixture("_raw.ts"), String(ports.raw), hit]));
  await answers(`http://127.0.0.1:${ports.raw}/`);
  const kv = `http://127.0.0.1:${ports.gateway}/kv/body`;
  await warm(kv);
  const targets: Record<string, Target> = {
    "raw": { url: `http://127.0.0.1:${ports.raw}/memory/body`, unique: false },
    "memory hit": { url: hit, unique: false },
    "KV hit": { url: kv, unique: false },
    "miss": { url: `http://127.0.0.1:${ports.gateway}/memory/miss`, unique: true },
  };
  return {
    target: (name) => targets[name]!,
    async [Symbol.asyncDispose]() {
      for (const child of children) child.kill("SIGTERM");
      await Promise.all(children.map((child) => child.status));
      await Deno.remove(directory, { recursive: true });
    },
  };
}

function config(ports: Readonly<Record<string, number>>, directory: string): string {
  const listen = `127.0.0.1:${ports["gateway"]}`;
  return `
server: { workers: 1, data_dir: ${directory}/data }
admin: { listen: "127.0.0.1:${ports["admin"]}" }
pools:
  origin: { type: custom, health: false, upstreams: [ "http://127.0.0.1:${ports["origin"]}" ] }
listeners:
  - { name: memory, listen: "${listen}", prefix: /memory, pool: origin }
  - { name: kv, listen: "${listen}", prefix: /kv, pool: origin, cache: { rules: [ { memory: false } ] } }
`;
}

function fixture(name: string): string {
  return new URL(name, import.meta.url).pathname;
}

function spawn(core: string, args: string[]): Deno.ChildProcess {
  return new Deno.Command("taskset", {
    args: ["-c", core, Deno.execPath(), ...args],
    stdout: "null",
    stderr: "inherit",
  }).spawn();
}

async function warm(url: string): Promise<void> {
  for (let turn = 0; turn < 3; turn++) {
    const response = await fetch(url);
    await response.body?.cancel();
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

async function answers(url: string): Promise<void> {
  for (let turn = 0; turn < 200; turn++) {
    const response = await fetch(url).catch(() => null);
    await response?.body?.cancel();
    if (response?.ok) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`Nothing answers at ${url}`);
}
