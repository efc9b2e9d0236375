import assert from "node:assert/strict";
import { request } from "node:http";
import { parse } from "yaml";
import { loadConfig } from "../../lib/config/load.ts";
import { formatLocated } from "../../lib/config/yaml/located.ts";
import { startScriptedOrigin } from "../origins/scripted_origin.ts";
import { freePort, type RunningGateway, startGateway } from "./_gateway.ts";
import { customPool, testConfig } from "./test_config.ts";

const page = await Deno.readTextFile("docs/rules.md");

/** An example: rules, and what clients see of them, as the page tells it. */
interface Example {
  readonly rules: unknown;
  readonly steps: readonly { readonly command: string; readonly seen: string }[];
}

function examplesOf(text: string): Example[] {
  const pairs = [...text.matchAll(/^```yaml\n(rules:[\s\S]*?)^```\n+```text\n([\s\S]*?)^```/gm)];
  return pairs.map(([, yaml = "", transcript = ""]) => ({
    rules: parse(yaml).rules,
    steps: transcript.split(/^\$ /m).slice(1).map((step) => {
      const end = step.indexOf("\n");
      return { command: step.slice(0, end), seen: step.slice(end + 1).trimEnd() };
    }),
  }));
}

/** A response as curl prints it, its body apart. */
interface Printed {
  readonly head: string;
  readonly body: string;
}

/** Runs a curl command of the page against one of the listeners. */
function run(gateway: RunningGateway, host: string, command: string): Promise<Printed> {
  const words = [...command.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain!);
  assert.equal(words[0], "curl");
  const url = new URL(words.at(-1)!);
  const headers: Record<string, string> = { host };
  words.forEach((word, index) => {
    if (word === "-A") headers["user-agent"] = words[index + 1]!;
    const [name = "", value = ""] = word === "-H" ? words[index + 1]!.split(": ") : [];
    if (name !== "") headers[name] = value;
  });
  const path = /^[^?]*\/\/[^/]*(.*)$/.exec(words.at(-1)!)![1]!;
  assert.equal(url.hostname, "films.lan");
  return new Promise((resolve, reject) => {
    const sent = request({ host: "127.0.0.1", port: gateway.port, path, headers }, (response) => {
      const { statusCode, statusMessage, rawHeaders } = response;
      let head = `HTTP/1.1 ${statusCode} ${statusMessage}\n`;
      for (let index = 0; index < rawHeaders.length; index += 2) {
        head += `${rawHeaders[index]}: ${rawHeaders[index + 1]}\n`;
      }
      let body = "";
      response.setEncoding("utf8").on("data", (chunk) => body += chunk).on("end", () => resolve({ head, body }));
    });
    sent.on("error", reject).end();
  });
}

Deno.test("docs/rules.md: every example does what it says", async (t) => {
  await using stack = new AsyncDisposableStack();
  const examples = examplesOf(page);
  assert.equal(examples.length, [...page.matchAll(/^```yaml\nrules:/gm)].length);
  assert.ok(examples.length >= 10, String(examples.length));
  const shown = ["accept-language", "x-from", "x-area", "x-debug-level", "x-forwarded-prefix"];
  const origins = await Promise.all(
    ["", " at archive.example", " at canary.example"].map((name) =>
      startScriptedOrigin((exchange) => {
        const { method, target, fields } = exchange.head;
        const lines = fields.filter(([field]) => shown.includes(field)).map(([field, value]) => `${field}: ${value}`);
        const status = Number(/^\/status\/(\d{3})/.exec(target)?.[1] ?? 200);
        const host = fields.find(([field]) => field === "host")![1];
        const led: [string, string][] = status === 302
          ? [["location", `http://${host}/login`], ["set-cookie", "sid=1; Path=/; Domain=127.0.0.1"]]
          : [];
        return exchange.reply({
          status,
          fields: [["cache-control", "max-age=600"], ["server", "origin"], ["x-powered-by", "origin"], ...led],
          body: [`${method} ${target}${name}`, ...lines].join("\n"),
        });
      })
    ),
  );
  for (const origin of origins) stack.defer(() => origin.close());
  const [films, archive, canary] = origins.map(({ url }) => url);
  const config = (places: Parameters<typeof testConfig>[0]) =>
    testConfig(places, {
      server: { workers: 1, trusted_proxies: ["127.0.0.1"] },
      pools: {
        backed: customPool([`http://127.0.0.1:${freePort()}`, { url: canary, backup: true }]),
        resting: customPool([films, { url: canary, backup: true }]),
        films: customPool([films], { retry: { attempts: 1 } }),
        archive: customPool([archive, { url: canary, weight: 0 }]),
      },
      listeners: [
        ...examples.map(({ rules }, index) => ({
          name: `e${index}`,
          host: `e${index}.lan`,
          pool: "films",
          rules: JSON.parse(JSON.stringify(rules).replaceAll("https://canary.example", canary!)),
        })),
        ...["backed", "resting"].map((name) => ({ name, host: `${name}.lan`, pool: name })),
        ...["map", "keep"].map((redirects) => ({
          name: redirects,
          host: `${redirects}.lan`,
          prefix: "/pre",
          strip_prefix: true,
          redirects,
          pool: "films",
        })),
      ],
    });
  const gateway = stack.adopt(await startGateway({ config }), (running) => running.close());
  for (const [index, { steps }] of examples.entries()) {
    for (const { command, seen } of steps) {
      await t.step(command, async () => {
        const [expectedHead = "", ...expectedBody] = seen.split("\n\n");
        const { head, body } = await run(gateway, `e${index}.lan`, command);
        for (const line of expectedHead.split("\n")) {
          assert.ok(head.includes(`${line}\n`), `${line} is not in\n${head}`);
        }
        if (expectedBody.length > 0) assert.equal(body, expectedBody.join("\n\n"));
        assert.doesNotMatch(expectedHead, /^server:/m);
      });
    }
  }
  await t.step("a backup is asked where no other is fit, and nowhere else", async () => {
    for (let turn = 0; turn < 3; turn++) {
      assert.match((await run(gateway, "backed.lan", `curl http://films.lan/${turn}`)).body, /at canary/);
      assert.equal((await run(gateway, "resting.lan", `curl http://films.lan/${turn}`)).body, `GET /${turn}`);
    }
  });
  await t.step(
    "redirects and cookies are led back to a listener that takes its prefix off, unless they are kept",
    async () => {
      const ask = (name: string) => run(gateway, `${name}.lan`, "curl -i http://films.lan/pre/status/302");
      const mapped = await ask("map");
      assert.match(mapped.head, /^location: \/pre\/login$/m);
      assert.match(mapped.head, /^set-cookie: sid=1; Path=\/pre$/m);
      assert.match(mapped.body, /^x-forwarded-prefix: \/pre$/m);
      const kept = await ask("keep");
      assert.match(kept.head, new RegExp(`^location: ${films}/login$`, "m"));
      assert.doesNotMatch(kept.body, /x-forwarded-prefix/);
    },
  );
});

Deno.test("docs/coming-from.md: every line is one that loads, without a warning", async () => {
  const table = await Deno.readTextFile("docs/coming-from.md");
  const rows = [...table.matchAll(/^\| .* \| (rules|listener|pool|upstream|server) +\| `(.*)` +\|$/gm)];
  assert.ok(rows.length >= 20, String(rows.length));
  assert.equal(rows.length, table.split("\n").filter((line) => /^\| (?:nginx|Traefik|Caddy) /.test(line)).length);
  for (const [, where = "", text = ""] of rows) {
    const part = parse(text);
    const put = (name: string) => where === name ? part : {};
    const file = {
      server: put("server"),
      pools: {
        films: {
          type: "custom",
          upstreams: ["https://films.example", ...(where === "upstream" ? [part] : [])],
          ...put("pool"),
        },
        ...(part.pool === undefined ? {} : { [part.pool]: { type: "custom", upstreams: ["https://other.example"] } }),
      },
      listeners: [{ name: "films", pool: "films", ...put("listener"), rules: where === "rules" ? [part] : [] }],
    };
    const loaded = await loadConfig("config.yaml", {
      readTextFile: () => Promise.resolve(JSON.stringify(file)),
      env: () => undefined,
      cores: 1,
      cwd: "/etc/usher",
    });
    assert.deepEqual((loaded.ok ? loaded.warnings : loaded.problems).map(formatLocated), [], text);
  }
});
