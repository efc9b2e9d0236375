import assert from "node:assert/strict";
import { join } from "node:path";
import { ProxyAgent, request } from "npm:undici@8.13.1";
import { madeAuthority } from "../certificates/made.ts";
import { eventually } from "../eventually.ts";
import { demoApiKey, startTmdbOrigin } from "../origins/tmdb_origin.ts";
import { RawClient } from "../server/raw_client.ts";
import { runMain } from "./_command.ts";
import { freePort, type GatewayPlaces, startGateway } from "./_gateway.ts";
import { testConfig } from "./test_config.ts";

const HOST = "api.themoviedb.org";
const TOKEN = "5f3c9a1e7b2d4068aa51c0de93b7f642";
const decoder = new TextDecoder();

/** Runs a program of Debian's; answers what it has printed, or `null` where it is not installed. */
async function printed(program: string, args: string[], env: Record<string, string> = {}): Promise<string | null> {
  try {
    const { stdout, stderr } = await new Deno.Command(`/usr/bin/${program}`, { args, env, stdin: "null" }).output();
    return decoder.decode(stdout) + decoder.decode(stderr);
  } catch (error) {
    // Tests may start what is installed.
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotCapable) return null;
    throw error;
  }
}

const PYTHON = `import sys
try:
    import requests
except ImportError:
    sys.exit("no requests")
answer = requests.get(sys.argv[1])
print(answer.status_code, answer.headers.get("cache-status"), answer.text)`;

/** Asks twice, since its own start takes longest. */
const JAVA = `import java.net.*;
import java.nio.charset.StandardCharsets;
public class Fetch {
  public static void main(String[] args) throws Exception {
    for (int turn = 0; turn < 2; turn++) {
      var connection = (HttpURLConnection) new URL(args[0]).openConnection();
      System.out.println("answer " + connection.getResponseCode() + " " + connection.getHeaderField("cache-status"));
      System.out.println(new String(connection.getInputStream().readAllBytes(), StandardCharsets.UTF_8));
    }
  }
}`;

Deno.test("clients that know only a proxy: curl, undici, requests and Java are served by TMDB's names, from the cache", async (step) => {
  await using stack = new AsyncDisposableStack();
  const origin = stack.adopt(await startTmdbOrigin({}), (one) => one.close());
  const authority = await madeAuthority();
  const { cert, key } = await authority.leaf([HOST, "image.tmdb.org"]);
  const directory = await Deno.makeTempDir({ prefix: "usher-test-" });
  const at = (name: string) => join(directory, name);
  await Deno.writeTextFile(at("cert.pem"), cert);
  await Deno.writeTextFile(at("key.pem"), key, { mode: 0o600 });
  await Deno.writeTextFile(at("ca.pem"), authority.ca);
  const [tlsPort, proxyPort, tokenPort] = [freePort(), freePort(), freePort()];
  const way = { listen: `127.0.0.1:${proxyPort}`, name: "way-in", hosts: [HOST] };
  const closed = { listen: `127.0.0.1:${tokenPort}`, name: "closed", hosts: [HOST], others: "tunnel", token: TOKEN };
  const config = (places: GatewayPlaces, forwardProxies: readonly Record<string, unknown>[]) =>
    testConfig(places, {
      pools: { api: { type: "tmdb-api", api_keys: [demoApiKey], upstreams: [origin.url] } },
      listeners: [{
        name: "api",
        listen: `127.0.0.1:${tlsPort}`,
        host: HOST,
        pool: "api",
        tls: { cert: at("cert.pem"), key: at("key.pem") },
      }],
      forward_proxies: forwardProxies,
    });
  let places: GatewayPlaces | undefined;
  const gateway = await startGateway({ directory, config: (given) => config(places = given, [way]) });
  stack.defer(() => gateway.close());
  const proxy = `http://127.0.0.1:${proxyPort}`;
  const url = (id: number) => `https://${HOST}/3/movie/${id}`;

  /** The same URL twice: the second answer comes from the cache, and has the same document. */
  const twice = async (fetched: () => Promise<string | null>, id: number) => {
    const first = await fetched();
    // The program is not installed here.
    if (first === null || first.includes("no requests")) return;
    assert.match(first, /usher; fwd=uri-miss; stored/, first);
    const second = await fetched();
    assert.match(second ?? "", /usher; hit/, String(second));
    assert.ok(first.includes(`"id":${id},`) && second!.includes(`"id":${id},`));
  };

  await step.step("curl -x", () => {
    const args = ["-sS", "-i", "-x", proxy, "--cacert", at("ca.pem"), url(550)];
    return twice(() => printed("curl", args), 550);
  });

  await step.step("undici with a ProxyAgent", () =>
    twice(async () => {
      const dispatcher = new ProxyAgent({ uri: proxy, requestTls: { ca: authority.ca } });
      const { headers, body } = await request(url(603), { dispatcher });
      const text = `${headers["cache-status"]} ${await body.text()}`;
      await dispatcher.close();
      return text;
    }, 603));

  await step.step("Python's requests with HTTPS_PROXY and only the local authority", () => {
    const env = { HTTPS_PROXY: proxy, REQUESTS_CA_BUNDLE: at("ca.pem"), NO_PROXY: "" };
    return twice(() => printed("python3", ["-c", PYTHON, url(11)], env), 11);
  });

  await step.step("Java with https.proxyHost and its own store of authorities", async () => {
    const store = ["-keystore", at("trust.p12"), "-storepass", "changeit", "-noprompt"];
    if (await printed("keytool", ["-importcert", "-alias", "usher", "-file", at("ca.pem"), ...store]) === null) return;
    await Deno.writeTextFile(at("Fetch.java"), JAVA);
    const options = [
      `-Djavax.net.ssl.trustStore=${at("trust.p12")}`,
      "-Djavax.net.ssl.trustStorePassword=changeit",
      "-Dhttps.proxyHost=127.0.0.1",
      `-Dhttps.proxyPort=${proxyPort}`,
    ];
    const both = await printed("java", [...options, at("Fetch.java"), url(13)]);
    const answers = both?.split(/^(?=answer )/m) ?? [];
    await twice(() => Promise.resolve(answers.shift() ?? null), 13);
  });

  await step.step(
    "plain http by the same proxy, from the same cache; the origin was asked once for each document",
    async () => {
      const plain = await printed("curl", ["-sS", "-i", "-x", proxy, `http://${HOST}/3/movie/550`]);
      if (plain !== null) assert.match(plain, /cache-status: usher; hit/i);
      const documents = origin.requests.filter(({ target }) => target.startsWith("/3/movie/"));
      assert.equal(documents.length, new Set(documents.map(({ target }) => target.split("?")[0])).size);
      assert.ok(documents.every(({ fields }) => fields.every(([name]) => !/^proxy-/i.test(name))));
    },
  );

  await step.step("other hosts are refused, and the figures say so", async () => {
    using client = await RawClient.to(`127.0.0.1:${proxyPort}`);
    await client.send("CONNECT other.example:443 HTTP/1.1\r\nHost: other.example:443\r\n\r\n");
    assert.match((await client.response()).body, /does not lead to this host/);
    await eventually("it is counted", async () => {
      const text = await (await fetch(`${gateway.adminUrl}/metrics`)).text();
      return /usher_forward_proxy_requests_total\{forward_proxy="way-in",result="target"\} 1/.test(text);
    });
    assert.match(gateway.log(), /access=way-in .*method=CONNECT .*target=other\.example:443 status=403/);
  });

  await step.step("a reload opens another one, whose token is never shown, and closes the first", async () => {
    await gateway.writeConfig(config(places!, [closed]));
    gateway.signal("SIGHUP");
    await gateway.logged("Configuration reloaded");
    await eventually(
      "the first is closed",
      () =>
        Deno.connect({ hostname: "127.0.0.1", port: proxyPort }).then((socket) => (socket.close(), false), () => true),
    );
    const args = (
      user: string,
    ) => ["-sS", "-i", "-x", `http://${user}127.0.0.1:${tokenPort}`, "--cacert", at("ca.pem")];
    const without = await printed("curl", [...args(""), url(550)]);
    if (without !== null) {
      assert.match(without, /HTTP\/1\.1 407 /);
      assert.match(String(await printed("curl", [...args(`usher:${TOKEN}@`), url(550)])), /cache-status: usher; hit/i);
      assert.match(String(await printed("curl", [...args(`usher:${TOKEN}@`), "https://localhost/"])), /response 403/);
    }
    const shown = await runMain(["api", "GET", "/config", "--config", gateway.configPath]);
    assert.match(shown.stdout, /forward_proxies/);
    assert.ok(![gateway.log(), shown.stdout].some((text) => text.includes(TOKEN)));
  });
});
