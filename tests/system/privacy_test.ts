import assert from "node:assert/strict";
import { fieldValue } from "../../lib/http/fields.ts";
import { startTmdbOrigin } from "../origins/tmdb_origin.ts";
import { fetched, startGateway } from "./_gateway.ts";
import { startScriptedGateway } from "./_scripted_gateway.ts";
import { customPool, testConfig } from "./test_config.ts";

/** Requests that must reach the origin each for itself: from two users, twice, by GET and at once. */
async function askAsTwo(
  url: string,
  userFields: (user: string) => Record<string, string>,
): Promise<Map<string, Set<string>>> {
  const heard = new Map<string, Set<string>>();
  for (let turn = 0; turn < 2; turn++) {
    await Promise.all(["alice", "bob"].flatMap((user) =>
      Array.from({ length: 4 }, async () => {
        const { bytes } = await fetched(url, { headers: userFields(user) });
        const said = new TextDecoder().decode(bytes);
        heard.set(user, (heard.get(user) ?? new Set()).add(said));
      })
    ));
  }
  return heard;
}

Deno.test("what a general origin says to one client is said to no other", async (t) => {
  await using stack = new AsyncDisposableStack();
  let control = "max-age=600";
  let extra: readonly [string, string][] = [];
  let count = 0;
  const { gateway } = await startScriptedGateway(stack, async (exchange) => {
    await exchange.wait(20);
    const { fields } = exchange.head;
    const user = fieldValue(fields, "authorization") ?? fieldValue(fields, "cookie") ?? fieldValue(fields, "x-user") ??
      "nobody";
    const body = fieldValue(fields, "x-count") === null ? user : `${user} ${count++}`;
    await exchange.reply({ fields: [["cache-control", control], ...extra], body });
  });
  const ways: ReadonlyArray<
    readonly [
      what: string,
      control: string,
      extra: readonly [string, string][],
      fields: (user: string) => Record<string, string>,
    ]
  > = [
    ["Authorization", "max-age=600", [], (user) => ({ authorization: `Bearer ${user}` })],
    ["Cookie", "max-age=600", [], (user) => ({ cookie: `sid=${user}` })],
    ["Vary", "max-age=600", [["vary", "X-User"]], (user) => ({ "x-user": user })],
    ["Vary: *", "max-age=600", [["vary", "*"]], (user) => ({ "x-user": user })],
    ["private", "private, max-age=600", [], (user) => ({ "x-user": user })],
    ["no-store", "no-store", [], (user) => ({ "x-user": user })],
    ["Set-Cookie", "max-age=600", [["set-cookie", "sid=1"]], (user) => ({ "x-user": user })],
    ["Authorization, private", "private", [], (user) => ({ authorization: `Basic ${btoa(user)}` })],
  ];
  for (const [what, nextControl, nextExtra, fields] of ways) {
    await t.step(what, async () => {
      control = nextControl;
      extra = nextExtra;
      const heard = await askAsTwo(`${gateway.url}/${encodeURIComponent(what)}`, fields);
      for (const user of ["alice", "bob"]) {
        const [said, ...others] = heard.get(user)!;
        assert.deepEqual(others, []);
        assert.ok(said!.includes(user) || said!.includes(btoa(user)), `${user} got ${said}`);
      }
    });
  }
  await t.step("a stored response is for those who say nothing of themselves", async () => {
    control = "max-age=600";
    extra = [];
    const stored = await fetched(`${gateway.url}/mixed`);
    assert.match(stored.cacheStatus, /stored/);
    const named = await fetched(`${gateway.url}/mixed`, { headers: { cookie: "sid=alice" } });
    assert.equal(new TextDecoder().decode(named.bytes), "sid=alice");
    const after = await fetched(`${gateway.url}/mixed`);
    assert.equal(new TextDecoder().decode(after.bytes), "nobody");
  });
  await t.step("a private response at a key that was shared before", async () => {
    control = "max-age=0";
    await fetched(`${gateway.url}/turns`, { headers: { "x-user": "nobody" } });
    control = "private, max-age=600";
    const heard = await askAsTwo(`${gateway.url}/turns`, (user) => ({ "x-user": user }));
    assert.deepEqual([...heard.get("alice")!], ["alice"]);
    assert.deepEqual([...heard.get("bob")!], ["bob"]);
  });
});

Deno.test("what TMDB says of a user is said to that user only, though TMDB calls it public", async (t) => {
  await using stack = new AsyncDisposableStack();
  const origin = stack.adopt(await startTmdbOrigin({ latencyMs: 10 }), (running) => running.close());
  const gateway = stack.adopt(
    await startGateway({
      config: (places) =>
        testConfig(places, {
          pools: {
            films: { type: "tmdb-api", api_keys: ["0123456789abcdef0123456789abcdef"], upstreams: [origin.url] },
          },
          listeners: [{ name: "films", prefix: "/3", pool: "films" }, { name: "four", prefix: "/4", pool: "films" }],
        }),
    }),
    (running) => running.close(),
  );
  for (
    const path of [
      "/3/movie/550/account_states?session_id=session-of-",
      "/3/movie/550?append_to_response=account_states&session_id=session-of-",
      "/3/movie/550?append_to_response=credits,account%5Fstates&session%5Fid=session-of-",
      "/3/account/1?session_id=session-of-",
    ]
  ) {
    await t.step(path, async () => {
      for (let turn = 0; turn < 2; turn++) {
        await Promise.all(["alice", "bob", "alice", "bob"].map(async (user) => {
          const { bytes, cacheStatus, headers } = await fetched(gateway.url + path + user);
          const text = new TextDecoder().decode(bytes);
          assert.ok(text.includes(`session-of-${user}`), text);
          assert.doesNotMatch(cacheStatus, /stored|hit|collapsed/);
          assert.match(headers.get("cache-control") ?? "", /private|no-store/);
        }));
      }
    });
  }
  await t.step("a GET that makes a token makes one each", async () => {
    const tokens = await Promise.all(
      Array.from(
        { length: 6 },
        async () =>
          JSON.parse(new TextDecoder().decode((await fetched(`${gateway.url}/3/authentication/token/new`)).bytes)),
      ),
    );
    assert.equal(new Set(tokens.map((token) => token.request_token)).size, 6);
  });
  await t.step("a public answer is shared by everyone's keys, and none of them is in it", async () => {
    origin.requests.length = 0;
    const bodies = new Set<string>();
    for (const key of ["11112222333344445555666677778888", "0123456789abcdef0123456789abcdef"]) {
      const { bytes } = await fetched(`${gateway.url}/3/genre/tv/list`, { headers: { cookie: `sid=${key}` } });
      bodies.add(new TextDecoder().decode(bytes));
    }
    assert.equal(bodies.size, 1);
    assert.equal(origin.count("/3/genre/tv/list"), 1);
    assert.ok(origin.requests.every(({ fields }) => fieldValue(fields, "cookie") === null));
  });
});

Deno.test("listeners never see each other's entries, even of one pool and one path", async () => {
  await using stack = new AsyncDisposableStack();
  const { origin, gateway } = await startScriptedGateway(
    stack,
    (exchange) =>
      exchange.reply({
        fields: [["cache-control", "max-age=600"]],
        body: fieldValue(exchange.head.fields, "x-say") ?? "?",
      }),
    (url) => ({
      pools: { any: customPool([url], { forwarded: "off" }) },
      listeners: [
        { name: "one", prefix: "/one", strip_prefix: true, pool: "any" },
        { name: "two", prefix: "/two", strip_prefix: true, pool: "any" },
      ],
    }),
  );
  const say = async (listener: string, said: string) => {
    const { bytes, cacheStatus } = await fetched(`${gateway.url}/${listener}/same`, { headers: { "x-say": said } });
    return [new TextDecoder().decode(bytes), /; hit/.test(cacheStatus)];
  };
  assert.deepEqual(await say("one", "first"), ["first", false]);
  assert.deepEqual(await say("two", "second"), ["second", false]);
  assert.equal((await say("one", "third"))[0], "first");
  assert.equal((await say("two", "fourth"))[0], "second");
  assert.deepEqual(origin.heads.map(({ target }) => target), ["/same", "/same"]);
  // An unsafe request to one invalidates nothing of the other.
  await fetched(`${gateway.url}/one/same`, { method: "POST", body: "x" });
  assert.equal((await say("two", "fifth"))[0], "second");
});
