import assert from "node:assert/strict";
import { z } from "zod";
import { eventually } from "../eventually.ts";
import { fetched, type GatewayPlaces, type RunningGateway, startGateway } from "./_gateway.ts";
import { PATIENT, testConfig } from "./test_config.ts";

const TOKENS = { admin: "operator-token-0123456789", viewer: "viewer-token-0123456789" } as const;
const API_KEY = "0123456789abcdef0123456789abcdef";

type Json = Readonly<Record<string, unknown>>;

/** One operation of the document. */
interface Operation {
  readonly operationId: string;
  readonly "x-role": string;
  readonly requestBody?: { readonly content: { readonly "application/json": { readonly example?: unknown } } };
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, { schema?: Json }>> }>>;
}

interface OpenApi {
  readonly openapi: string;
  readonly servers: readonly { readonly url: string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Json>> };
}

/** What stands in the place of a path's parameters here. */
const PARAMETERS: Readonly<Record<string, string>> = {
  "/listeners/{name}": "api",
  "/pools/{name}": "tmdb",
  "{listener}": "api",
  "{pool}": "tmdb",
};

/** Bodies of operations whose example needs something that is not there. */
const BODIES: Readonly<Record<string, unknown>> = {
  // Under way until it is ended.
  postJobsPrewarm: { listener: "api", paths: Array.from({ length: 500 }, (_, id) => `/3/movie/${id}`), rate: 1 },
};

/** What ends the gateway as `postStop` does, and is called in a test of its own: upgrade_test.ts. */
const ELSEWHERE: ReadonlySet<string> = new Set(["postHandOver"]);

/** In this order: what ends a thing comes after what begins it, what ends the gateway last. */
const LAST = ["deleteJobsPrewarmByListener", "postStop"];

function originOf(): Deno.HttpServer<Deno.NetAddr> {
  return Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, ({ url }) => {
    const isList = new URL(url).pathname.endsWith("/changes");
    return Response.json(isList ? { results: [], page: 1, total_pages: 1 } : { id: 550, title: "Fight Club" });
  });
}

function configOf(places: GatewayPlaces, origin: string): string {
  return testConfig(places, {
    admin: { token: TOKENS.admin, tokens: [{ name: "viewer", token: TOKENS.viewer, role: "read" }] },
    pools: {
      tmdb: {
        type: "tmdb-api",
        api_keys: [API_KEY],
        health: { interval: "1h" },
        upstreams: [origin],
        timeouts: PATIENT,
        change_feed: { interval: "1d" },
      },
    },
    listeners: [{ name: "api", prefix: "/3", pool: "tmdb" }],
  });
}

/** Asks the API as the operator, or as somebody else. */
async function ask(
  gateway: RunningGateway,
  method: string,
  path: string,
  body?: unknown,
  token: string = TOKENS.admin,
) {
  const response = await fetch(`${gateway.adminUrl}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      ...(body === undefined ? {} : { "content-type": "application/json" }),
    },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const type = response.headers.get("content-type")?.split(";", 1)[0] ?? null;
  const isJson = type !== null && /[/+]json$/.test(type);
  // A stream has no end of its own.
  const value = isJson ? await response.json() : await response.body?.cancel();
  return { status: response.status, type, value };
}

/** An example with this test's upstream in the place of TMDB's. */
function localized(example: unknown, origin: Deno.HttpServer<Deno.NetAddr>): unknown {
  const text = JSON.stringify(example);
  return text && JSON.parse(text.replace("https://api.themoviedb.org", `http://127.0.0.1:${origin.addr.port}`));
}

/** A path with what its parameters stand for here; `id` is that of a request that is remembered. */
function filled(path: string, id: string): string {
  const known = Object.entries(PARAMETERS).find(([prefix]) => prefix.startsWith("/") && path.startsWith(prefix));
  const named = known === undefined ? path : path.replace("{name}", known[1]);
  const values: Readonly<Record<string, string>> = { ...PARAMETERS, "{id}": id };
  return named.replaceAll(/\{\w+\}/g, (name) => values[name] ?? assert.fail(`What is ${name} in ${path}?`));
}

function orderOf({ operationId }: Operation): number {
  return LAST.indexOf(operationId);
}

Deno.test("the OpenAPI document says what the API answers: every operation, called on a gateway", async (t) => {
  await using stack = new AsyncDisposableStack();
  const origin = stack.adopt(originOf(), (server) => server.shutdown());
  const gateway = stack.adopt(
    await startGateway({ config: (places) => configOf(places, `http://127.0.0.1:${origin.addr.port}`) }),
    (running) => running.close(),
  );
  const document = (await ask(gateway, "GET", "/api/v1/openapi.json")).value as OpenApi;
  const base = document.servers[0]!.url;
  const problem = z.fromJSONSchema(document.components.schemas["Problem"] as z.core.JSONSchema.JSONSchema);

  await t.step("what an operation refuses is a problem of the documented form", async () => {
    const refused = [
      ["GET", "/nothing", 404],
      ["GET", "/pools/none", 404],
      ["GET", "/reload", 405],
      ["POST", "/reload?dry_run=perhaps", 422],
      ["POST", "/purge", 415],
    ] as const;
    for (const [method, path, status] of refused) {
      const answer = await ask(gateway, method, base + path);
      assert.deepEqual([answer.status, answer.type], [status, "application/problem+json"], path);
      assert.equal((problem.parse(answer.value) as { readonly status: number }).status, status);
    }
    const told = (await ask(gateway, "POST", `${base}/purge`, { tag: "a\nb", glob: "x" })).value as Json;
    assert.deepEqual((told["errors"] as readonly Json[]).map(({ pointer }) => pointer), ["#/glob", "#/tag", "#"]);
    // Else it would end the order whose time it was meant for.
    assert.equal((await ask(gateway, "PUT", `${base}/log-level`, { for_seconds: 5 })).status, 422);
    const viewer = await ask(gateway, "POST", `${base}/reload`, undefined, TOKENS.viewer);
    assert.deepEqual([viewer.status, viewer.type], [403, "application/problem+json"]);
  });

  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ method: method.toUpperCase(), path, operation }))
  ).filter(({ operation }) => !ELSEWHERE.has(operation.operationId)).sort((one, other) =>
    orderOf(one.operation) - orderOf(other.operation)
  );
  assert.ok(operations.length > 15);
  const changed: string[] = [];
  const { headers } = await fetched(`${gateway.url}/3/movie/550`);
  const id = headers.get("x-request-id") ?? assert.fail("a request has no id");
  for (const { method, path, operation } of operations) {
    await t.step(`${method} ${path}`, async () => {
      const example = operation.requestBody?.content["application/json"].example;
      assert.equal(example === undefined, operation.requestBody === undefined, "a body has an example");
      const body = BODIES[operation.operationId] ?? localized(example, origin);
      const success = Object.keys(operation.responses).find((status) => status.startsWith("2"))!;
      let answer = await ask(gateway, method, base + filled(path, id), body);
      // A look-up of what has changed may be under way since the start.
      await eventually("nothing else is under way", async () => {
        if (answer.status === 409) answer = await ask(gateway, method, base + filled(path, id), body);
        return answer.status !== 409;
      });
      assert.equal(String(answer.status), success, JSON.stringify(answer.value));
      const content = operation.responses[success]!.content ?? {};
      if (Object.keys(content).length === 0) return assert.equal(answer.type, null);
      assert.ok(Object.hasOwn(content, answer.type ?? ""), `${answer.type} is not documented`);
      const { schema } = content[answer.type!]!;
      if (schema !== undefined) z.fromJSONSchema(schema as z.core.JSONSchema.JSONSchema).parse(answer.value);
      assert.doesNotMatch(
        JSON.stringify(answer.value) ?? "",
        new RegExp([...Object.values(TOKENS), API_KEY].join("|")),
      );
    });
    if (operation["x-role"] === "operate") changed.push(operation.operationId);
  }

  await t.step(`every change has left an audit line that names who asked: ${changed.join(", ")}`, async () => {
    const own = () =>
      gateway.log().split("\n").filter((line) => /\baudit=.*actor="127\.0\.0\.1 \(token admin\)"/.test(line));
    await eventually("the lines are there", () => own().length >= changed.length);
    assert.doesNotMatch(gateway.log(), new RegExp([...Object.values(TOKENS), API_KEY].join("|")));
  });
});
