/**
 * Builds the image without a registry and tries it: `deno task image:try [--write]`. What the Dockerfile starts from is made of
 * Debian's packages (`mmdebstrap`) and of this machine's Node and npm, `buildah` builds and runs it in a chroot, so it needs root and
 * no daemon. With `--write` the figures go into docs/docker.md.
 *
 *     apt-get install -y --no-install-recommends buildah mmdebstrap
 */
import { fileURLToPath } from "node:url";
import { freePort } from "../tests/free_port.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const PAGE = new URL("../docs/docker.md", import.meta.url);
const DEADLINE_MS = 60_000;

/** The machine's own authorities, for what is downloaded while building; they do not come into the image that is tried. */
const AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt";

/** What is left out of the base, as in Debian's own slim image. */
const SLIM = ["doc", "man", "info", "locale"].map((name) => `--dpkgopt=path-exclude=/usr/share/${name}/*`);

const BASE = `FROM scratch
ADD base.tar /
`;
const NODE = `FROM localhost/base
COPY node/ /
ENV NODE_EXTRA_CA_CERTS=/authorities.crt DENO_CERT=/authorities.crt npm_config_cafile=/authorities.crt
`;

class TryError extends Error {}

/** What came out, for the page. */
interface Figures {
  readonly compressed: number;
  readonly unpacked: number;
  readonly base: number;
  readonly readyMs: number;
  readonly memory: number;
}

const scratch = await Deno.makeTempDir({ prefix: "usher-image-" });
const store = ["--root", `${scratch}/store`, "--runroot", `${scratch}/run`];
const buildah = (...args: string[]) => run("buildah", [...store, ...args]);

async function run(program: string, args: readonly string[]): Promise<string> {
  const options = { args: [...args], cwd: ROOT, env: { BUILDAH_ISOLATION: "chroot", NO_COLOR: "1" } };
  const { success, stdout, stderr } = await new Deno.Command(program, options).output();
  const said = new TextDecoder();
  if (success) return said.decode(stdout).trim();
  throw new TryError(
    `${program} ${args.join(" ")}\n${said.decode(stdout)}${said.decode(stderr)}`.split("\n").slice(-20).join("\n"),
  );
}

async function print(text: string): Promise<void> {
  await Deno.stderr.write(new TextEncoder().encode(`${text}\n`));
}

/** Makes `localhost/base` and `localhost/node`. */
async function makeBases(): Promise<void> {
  const context = `${scratch}/context`;
  await Deno.mkdir(`${context}/node/usr/lib/node_modules`, { recursive: true });
  await run("mmdebstrap", ["--quiet", "--variant=minbase", ...SLIM, "trixie", `${context}/base.tar`]);
  await Deno.writeTextFile(`${context}/Base`, BASE);
  await buildah("bud", "--quiet", "--tag", "localhost/base", "--file", `${context}/Base`, context);

  const npm = (await run("npm", ["root", "--global"])) + "/npm";
  const node = await run("node", ["--print", "process.execPath"]);
  await Deno.mkdir(`${context}/node/usr/bin`);
  await Deno.copyFile(node, `${context}/node/usr/bin/node`);
  await run("cp", ["-a", npm, `${context}/node/usr/lib/node_modules/`]);
  await Deno.symlink("../lib/node_modules/npm/bin/npm-cli.js", `${context}/node/usr/bin/npm`);
  await Deno.copyFile(AUTHORITIES, `${context}/node/authorities.crt`);
  await Deno.writeTextFile(`${context}/Node`, NODE);
  await buildah("bud", "--quiet", "--tag", "localhost/node", "--file", `${context}/Node`, context);
}

async function buildImage(): Promise<void> {
  const bases = ["--build-arg", "NODE_IMAGE=localhost/node", "--build-arg", "BASE_IMAGE=localhost/base"];
  await buildah("bud", "--quiet", "--format", "docker", ...bases, "--tag", "localhost/usher", ".");
}

async function bytesOf(folder: string): Promise<number> {
  return Number((await run("du", ["--summarize", "--bytes", folder])).split("\t")[0]);
}

/** A container of an image, and the folder where its files are. */
async function container(image: string): Promise<{ name: string; folder: string }> {
  const name = await buildah("from", image);
  return { name, folder: await buildah("mount", name) };
}

/** A gateway in a container, with a folder of the host as its `/data`. */
interface Trial {
  readonly container: string;
  /** Owner of the host's folder. */
  readonly owner: number;
  /** User that the container runs as. */
  readonly user: number;
}

/** Starts the gateway, asks it what users and orchestrators ask, and stops it. */
async function tryOut({ container, owner, user }: Trial, origin: number) {
  const [port, adminPort] = [freePort(), freePort()];
  const folder = await Deno.makeTempDir({ dir: scratch });
  await Deno.chmod(folder, 0o755);
  await Deno.mkdir(`${folder}/data`);
  await Deno.chown(`${folder}/data`, owner, owner);
  await Deno.writeTextFile(
    `${folder}/config.yaml`,
    `admin: { listen: "127.0.0.1:${adminPort}" }
pools: { one: { type: custom, health: false, upstreams: [{ url: "http://127.0.0.1:${origin}" }] } }
listeners: [{ name: one, listen: "127.0.0.1:${port}", pool: one }]
`,
  );
  const mounts = ["--volume", `${folder}/config.yaml:/etc/usher/config.yaml:ro`, "--volume", `${folder}/data:/data`];
  const within = ["run", "--user", `${user}:${user}`, ...mounts, container, "usher"];
  const begun = performance.now();
  const started = new Deno.Command("buildah", {
    args: [...store, ...within, "start"],
    env: { BUILDAH_ISOLATION: "chroot" },
    stdout: "null",
    stderr: "null",
  }).spawn();
  try {
    await untilReady(`http://127.0.0.1:${adminPort}/ready`, begun);
    const readyMs = performance.now() - begun;
    const health = await buildah(...within, "health");
    expect(health === '{"status":"ready"}', `usher health: ${health}`);
    const { pid } = await (await fetch(`http://127.0.0.1:${adminPort}/status`)).json();
    for (const result of ["fwd=uri-miss", "hit"]) {
      const response = await fetch(`http://127.0.0.1:${port}/one`);
      const status = response.headers.get("cache-status") ?? "";
      expect(await response.text() === "one" && status.includes(result), `not ${result}: ${status}`);
    }
    const memory = 1024 * Number(await run("ps", ["-o", "rss=", "-p", String(pid)]));
    const hasDisk = [...Deno.readDirSync(`${folder}/data`)].some(({ name }) => name.endsWith(".kv"));
    return { readyMs, memory, hasDisk };
  } finally {
    await buildah(...within, "stop");
    expect((await started.status).code === 0, "the gateway did not end with 0");
  }
}

async function untilReady(url: string, begun: number): Promise<void> {
  const isReady = () => fetch(url).then(({ ok, body }) => body?.cancel().then(() => ok));
  while (!await isReady().catch(() => false)) {
    if (performance.now() - begun > DEADLINE_MS) throw new TryError("It is not ready after a minute");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function expect(isTrue: boolean, otherwise: string): void {
  if (!isTrue) throw new TryError(otherwise);
}

/** The figures as a table. */
export function figuresTable({ compressed, unpacked, base, readyMs, memory }: Figures): string {
  const megabytes = (bytes: number) => `${Math.round(bytes / 1e6)} MB`;
  const rows = [
    ["what", "figure"],
    ["to pull, compressed", megabytes(compressed)],
    ["unpacked", `${megabytes(unpacked)}, of which Debian ${megabytes(base)}`],
    ["from start to ready, two workers", `${(readyMs / 1000).toFixed(1)} s`],
    ["memory after its first requests", megabytes(memory)],
  ];
  const widths = [0, 1].map((column) => Math.max(...rows.map((row) => row[column]!.length)));
  const line = (row: readonly string[]) => `| ${row.map((cell, at) => cell.padEnd(widths[at]!)).join(" | ")} |`;
  return [line(rows[0]!), line(widths.map((width) => "-".repeat(width))), ...rows.slice(1).map(line)].join("\n");
}

async function writeFigures(table: string): Promise<void> {
  const page = await Deno.readTextFile(PAGE);
  const written = page.replace(
    /(<!-- figures -->\n)[\s\S]*?(\n<!-- end -->)/,
    (_, start, end) => start + "\n" + table + "\n" + end,
  );
  await Deno.writeTextFile(PAGE, written);
}

async function main(): Promise<void> {
  const origin = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen() {} },
    () => new Response("one", { headers: { "cache-control": "max-age=600" } }),
  );
  try {
    await print("Making what the Dockerfile starts from …");
    await makeBases();
    await print("Building …");
    await buildImage();
    await buildah("push", "--quiet", "localhost/usher", `oci:${scratch}/pushed`);
    const [base, usher] = [await container("localhost/base"), await container("localhost/usher")];
    await print("Running …");
    const port = origin.addr.port;
    const own = await tryOut({ container: usher.name, owner: 10001, user: 10001 }, port);
    const foreign = await tryOut({ container: usher.name, owner: 1000, user: 10001 }, port);
    const same = await tryOut({ container: usher.name, owner: 1000, user: 1000 }, port);
    expect(own.hasDisk && same.hasDisk && !foreign.hasDisk, "the disk cache is not where the folder's owner says");
    const table = figuresTable({
      compressed: await bytesOf(`${scratch}/pushed`),
      unpacked: await bytesOf(usher.folder),
      base: await bytesOf(base.folder),
      ...own,
    });
    await print(table);
    if (Deno.args.includes("--write")) await writeFigures(table);
  } finally {
    await origin.shutdown();
    await buildah("rm", "--all").catch(() => {});
    await run("rm", ["-rf", scratch]);
  }
}

if (import.meta.main) {
  try {
    await main();
  } catch (error) {
    if (!(error instanceof TryError || error instanceof Deno.errors.NotFound)) throw error;
    await print(error.message);
    Deno.exit(1);
  }
}
