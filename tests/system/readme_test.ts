import assert from "node:assert/strict";
import { eventually } from "../eventually.ts";
import { freePort } from "./_gateway.ts";

const readme = await Deno.readTextFile("README.md");

/** A README's code blocks of one language. */
function blocks(language: string, page = readme): string[] {
  return [...page.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, "gm"))].map((match) => match[1]!);
}

function deno(args: readonly string[]): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: [...args],
    stdout: "piped",
    stderr: "inherit",
    env: { NO_COLOR: "1" },
  }).spawn();
}

Deno.test("README: every YAML example passes the check, in Chinese too", async () => {
  const examples = new Set([...blocks("yaml"), ...blocks("yaml", await Deno.readTextFile("README.zh-CN.md"))]);
  assert.ok(examples.size >= 3);
  for (const example of examples) {
    const path = await Deno.makeTempFile({ suffix: ".yaml" });
    await Deno.writeTextFile(path, example);
    const child = deno([
      "run",
      "--no-prompt",
      "--allow-net",
      "--allow-read",
      "--allow-env",
      "main.ts",
      "check",
      "--skip-ports",
      "--config",
      path,
    ]);
    const { code, stdout } = await child.output();
    assert.equal(code, 0, `${example}\n${new TextDecoder().decode(stdout)}`);
    await Deno.remove(path);
  }
});

Deno.test("README: every curl line of the demo does what the page says", async () => {
  const [port, adminPort] = [freePort(), freePort()];
  const demo = deno([
    "run",
    "--no-prompt",
    "--allow-net",
    "--allow-read",
    "--allow-env",
    "--allow-write",
    "tests/demo.ts",
    "--port",
    `${port}`,
    "--admin-port",
    `${adminPort}`,
  ]);
  const banner = await until(demo, "Press Ctrl-C");
  const ask = async (url: string) => {
    const response = await fetch(url.replace(":6635", `:${port}`));
    await response.body?.cancel();
    return { status: response.status, cache: response.headers.get("cache-status") ?? "" };
  };
  const urls = blocks("sh").flatMap((block) =>
    [...block.matchAll(/^curl .*'(http[^']*:6635[^']*)'/gm)].map((match) => match[1]!)
  );
  assert.equal(urls.length, 4);
  for (const url of urls) {
    const first = await ask(url);
    assert.equal(first.status, url.includes("999999999") ? 404 : 200, url);
    assert.match(first.cache, /^usher; fwd=uri-miss; stored/, url);
    assert.match((await ask(url)).cache, /^usher; hit; ttl=\d+; detail=(memory|kv)$/, url);
  }
  const shown = [...banner.matchAll(/'(http:\/\/127[^']*)'/g)].map((match) => match[1]!);
  assert.equal(shown.length, 3);
  for (const url of shown) assert.equal((await ask(url)).status, 200, url);
  await breakOne(`http://127.0.0.1:${adminPort}`);
  demo.kill("SIGTERM");
  assert.equal((await demo.status).code, 0);
});

/** One of the demo's upstreams breaks while its clients ask, as its page orders: not one of them gets an error. */
async function breakOne(admin: string): Promise<void> {
  const page = await (await fetch(admin)).text();
  assert.match(page, /src="\/page\/demo\.js"/);
  const told = async (what: string) => await (await fetch(`${admin}/demo/${what}`, { method: "POST" })).json();
  assert.deepEqual(await told("break"), { broken: true, traffic: false });
  assert.deepEqual(await told("traffic"), { broken: true, traffic: true });
  interface AskedUpstream {
    readonly tries: Readonly<Record<string, number>>;
    readonly failed_checks: number;
  }
  interface Asked {
    readonly listeners: readonly { readonly requests: number; readonly by_status?: Readonly<Record<string, number>> }[];
    readonly pools: readonly { readonly upstreams: readonly AskedUpstream[] }[];
  }
  let status: Asked;
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  await eventually("that it is broken was noticed, and many have asked", async () => {
    status = await (await fetch(`${admin}/api/v1/status`)).json();
    const failed = status.pools.flatMap(({ upstreams }) =>
      upstreams.map(({ tries, failed_checks }) => (tries["failed"] ?? 0) + failed_checks)
    );
    return sum(failed) > 0 && sum(status.listeners.map(({ requests }) => requests)) > 80;
  });
  assert.equal(sum(status!.listeners.map(({ by_status }) => by_status?.["5xx"] ?? 0)), 0);
  assert.deepEqual(await told("quiet"), { broken: true, traffic: false });
  assert.deepEqual(await told("mend"), { broken: false, traffic: false });
}

/** What a process has printed up to a text; the rest is read and dropped. */
async function until(child: Deno.ChildProcess, text: string): Promise<string> {
  let printed = "";
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  while (!printed.includes(text)) {
    const { done, value } = await reader.read();
    if (done) throw new Error(`The process ended before it printed "${text}":\n${printed}`);
    printed += value;
  }
  (async () => {
    while (!(await reader.read()).done);
  })();
  return printed;
}
