import assert from "node:assert/strict";
import { brotliCompressSync, deflateSync, gunzipSync, gzipSync, zstdCompressSync } from "node:zlib";
import { connect } from "node:net";
import type { Fields } from "../../lib/http/fields.ts";
import { ByteInbox } from "../origins/byte_inbox.ts";
import type { ScriptedHandler, ScriptedReply } from "../origins/scripted_origin.ts";
import { eventually, inParts, plainParts, withGateway, withOrigin, withOrigins } from "./in_process_gateway.ts";

const TARGET = "/3/movie/550";
const DOCUMENT = `{"id":550,"title":"Fight Club","cast":[{"id":819},{"id":287}],"tagline":"${
  "Mischief. ".repeat(60)
}"}`;
const JSON_TYPE: Fields = [["content-type", "application/json;charset=utf-8"], [
  "cache-control",
  "public, max-age=600",
]];

const tmdb = { pool: { type: "tmdb-api", key_mode: "pass" } };
const verifying = { pool: { content_types: { verify: ["application/json"] } } };
const bytesOf = (text: string) => new TextEncoder().encode(text);

function says(body: ScriptedReply["body"], more: Fields = [], status = 200): ScriptedHandler {
  return (exchange) => exchange.reply({ status, fields: [...JSON_TYPE, ...more], body });
}

/** The same in chunks: the length is not known, and the head comes first. */
function chunked(body: Uint8Array, more: Fields = []): ScriptedHandler {
  return async (exchange) => {
    const lines = [...JSON_TYPE, ...more].map(([name, value]) => `${name}: ${value}\r\n`).join("");
    await exchange.write(`HTTP/1.1 200 OK\r\n${lines}transfer-encoding: chunked\r\n\r\n`);
    for (const part of [body.subarray(0, 5), body.subarray(5)]) {
      if (part.length === 0) continue;
      await exchange.write(`${part.length.toString(16)}\r\n`);
      await exchange.write(part);
      await exchange.write("\r\n");
    }
    await exchange.write("0\r\n\r\n");
  };
}

const CODERS = { gzip: gzipSync, br: brotliCompressSync, zstd: zstdCompressSync, deflate: deflateSync };

Deno.test("withStatedCoding() decodes gzip that no field tells of, for the store and for one user alone", () =>
  withOrigin(says(gzipSync(DOCUMENT), [["etag", '"coded"']]), async (gateway, origin) => {
    for (const round of ["miss", "hit"]) {
      const { text, headers } = await gateway.ask(TARGET);
      assert.deepEqual([text, headers.get("content-encoding")], [DOCUMENT, null], round);
      assert.equal(headers.get("etag"), 'W/"coded"');
    }
    assert.equal(origin.heads.length, 1);
    const mine = await gateway.ask("/3/account/1/rated/movies?session_id=s");
    assert.deepEqual([mine.text, mine.headers.get("content-encoding")], [DOCUMENT, null]);
    const coded = await gateway.send("/3/account/1/rated/movies?session_id=s", {
      headers: { "accept-encoding": "gzip" },
    });
    assert.equal(coded.headers.get("content-encoding"), "gzip");
    assert.equal(new TextDecoder().decode(gunzipSync(new Uint8Array(await coded.arrayBuffer()))), DOCUMENT);
  }, tmdb));

Deno.test("withStatedCoding() decodes it in chunks, with any status, coded twice, and with a key put in, which is masked", async () => {
  await withOrigin(
    chunked(gzipSync(DOCUMENT)),
    async ({ ask }) => assert.equal((await ask(TARGET)).text, DOCUMENT),
    tmdb,
  );
  const twice = says(gzipSync(gzipSync(DOCUMENT)), [["content-encoding", "gzip"]]);
  await withOrigin(twice, async ({ ask }) => assert.equal((await ask(TARGET)).text, DOCUMENT), tmdb);
  const gone = '{"success":false,"status_code":34,"status_message":"The resource you requested could not be found."}';
  await withOrigin(says(gzipSync(gone), [], 404), async ({ ask }) => {
    const first = await ask(TARGET);
    assert.deepEqual([first.status, first.text], [404, gone]);
    assert.match((await ask(TARGET)).cacheStatus, /hit/);
  }, tmdb);
  const key = "0123456789abcdef0123456789abcdef";
  const echo: ScriptedHandler = (exchange) =>
    exchange.reply({ fields: JSON_TYPE, body: gzipSync(JSON.stringify({ target: exchange.head.target })) });
  await withOrigin(echo, async ({ ask }) => {
    const { text } = await ask(TARGET, { headers: { "accept-encoding": "gzip" } });
    assert.match(text, /api_key=\*{32}/);
    assert.ok(!text.includes(key));
  }, { pool: { type: "tmdb-api", api_keys: [key] } });
});

Deno.test("withStatedCoding() leaves gzip alone that may be meant, and decodes it on custom where that is asked for", async () => {
  const archive: ScriptedHandler = (exchange) =>
    exchange.reply({
      fields: [["content-type", exchange.head.target.slice(1)], ["cache-control", "max-age=60"]],
      body: gzipSync(DOCUMENT),
    });
  const read = async (response: Response) => [...new Uint8Array(await response.arrayBuffer())];
  const raw = [...gzipSync(DOCUMENT)];
  await withOrigin(archive, async ({ send }) => {
    assert.deepEqual(await read(await send("/application/json")), raw);
  });
  await withOrigin(archive, async ({ send }) => {
    for (const type of ["application/gzip", "application/octet-stream", "application/x-tar"]) {
      for (let round = 0; round < 2; round++) assert.deepEqual(await read(await send(`/${type}`)), raw, type);
    }
    for (let round = 0; round < 2; round++) assert.equal(await (await send("/application/json")).text(), DOCUMENT);
    assert.deepEqual(await read(await send("/text/plain")), [...bytesOf(DOCUMENT)]);
  }, { pool: { content_types: { verify: ["*/*"] } } });
});

Deno.test("withStatedCoding() leaves codings alone that a general upstream tells of, known or not", async (t) => {
  const parts = { pool: { content_types: { verify: ["*/*"] } } };
  for (const coding of ["gzip", "x-gzip", "br", "zstd", "deflate", "aws-chunked", "gzip, aes128gcm"]) {
    const code = CODERS[coding.replace("x-", "") as keyof typeof CODERS] ??
      ((content: Uint8Array) => gzipSync(content));
    const coded = new Uint8Array(code(bytesOf(DOCUMENT)));
    const fields: Fields = [["content-encoding", coding], ["etag", '"coded"'], ["vary", "accept-encoding"]];
    for (const handler of [says(coded, fields), chunked(coded, fields)]) {
      await t.step(coding, () =>
        withOrigin(handler, async ({ send }, origin) => {
          for (let round = 0; round < 2; round++) {
            const { status, headers, body } = await send("/a", {
              headers: { "accept-encoding": "gzip, br, zstd, deflate" },
            });
            assert.deepEqual([status, headers.get("content-encoding"), headers.get("etag")], [200, coding, '"coded"']);
            assert.deepEqual(new Uint8Array(await new Response(body).arrayBuffer()), coded);
          }
          assert.equal(origin.heads.length, 1);
        }, parts));
    }
  }
});

/** What is not what it says, with status 200. */
const WRONG: Readonly<Record<string, string | Uint8Array>> = {
  "empty": "",
  "blank": " \r\n",
  "blank and long": "\n".repeat(3_000),
  "cut in the middle": DOCUMENT.slice(0, 400),
  "cut behind a bracket": DOCUMENT.slice(0, DOCUMENT.indexOf("},{") + 1),
  "cut before the last byte": DOCUMENT.slice(0, -1),
  "no JSON": "Forbidden",
  "two documents": "{}{}",
  "gzip that is cut short": gzipSync(DOCUMENT).subarray(0, -20),
  "gzip of nothing": gzipSync(""),
  "gzip of what is cut short": gzipSync(DOCUMENT.slice(0, -1)),
};

for (const [type, parts] of [["tmdb-api", tmdb], ["custom with verify", verifying]] as const) {
  Deno.test(`contentFailure() takes what is not whole for a failed try, and asks the next upstream (${type})`, async (t) => {
    for (const [what, body] of Object.entries(WRONG)) {
      for (const framing of [says(body), chunked(typeof body === "string" ? bytesOf(body) : body)]) {
        await t.step(
          what,
          () =>
            withOrigins(
              [framing, says(DOCUMENT)],
              (bad, good) =>
                withGateway(plainParts([bad!.url, good!.url], parts), async (gateway) => {
                  for (let at = 0; at < 2; at++) {
                    const { status, text } = await gateway.ask(`${TARGET}?at=${at}`);
                    assert.deepEqual([status, text], [200, DOCUMENT]);
                  }
                  assert.ok(bad!.heads.length > 0 && good!.heads.length === 2);
                  const { outcomes } = gateway.gateway.counts.upstreams["p"]![bad!.url]!;
                  assert.equal((outcomes.failed ?? 0) + (outcomes.unreachable ?? 0), bad!.heads.length);
                }),
            ),
        );
      }
    }
  });
}

Deno.test("contentFailure() is an error where no upstream has better, and nothing of it is kept", async () => {
  for (const body of ["", DOCUMENT.slice(0, -1), DOCUMENT.slice(0, 300)]) {
    await withOrigin(says(body), async ({ ask }, origin) => {
      const refused = await ask(TARGET);
      const { success, error } = JSON.parse(refused.text);
      assert.deepEqual([refused.status, success, error], [502, false, "upstream_wrong_content"]);
      origin.handle(says(DOCUMENT));
      assert.equal((await ask(TARGET)).text, DOCUMENT);
    }, tmdb);
  }
});

Deno.test("contentFailure() lets what is stored stand in for what is cut short", () =>
  withOrigin(says(DOCUMENT), async (gateway, origin) => {
    await gateway.ask(TARGET);
    origin.handle(says(DOCUMENT.slice(0, -1)));
    gateway.clock.advance(40 * 86_400_000);
    const { status, text } = await gateway.ask(TARGET);
    assert.deepEqual([status, text], [200, DOCUMENT]);
  }, tmdb));

Deno.test("contentFailure() leaves other statuses, other types, HEAD and pools that do not verify alone", async () => {
  for (const [body, status] of [["", 404], ["Not Found", 404], ["", 201]] as const) {
    await withOrigin(says(body, [], status), async ({ ask }) => {
      const { status: got, text } = await ask(TARGET);
      assert.deepEqual([got, text], [status, body]);
    }, tmdb);
  }
  for (const body of ["", " ", '{"a":', "text"]) {
    await withOrigin(says(body), async ({ ask }) => assert.equal((await ask("/a")).text, body));
    await withOrigin(says(body), async ({ ask }) => assert.equal((await ask("/a")).text, body), {
      pool: { content_types: { verify: ["image/*"] } },
    });
    await withOrigin(says(body), async ({ ask }) => assert.equal((await ask(TARGET)).text, body), {
      pool: { type: "tmdb-api", key_mode: "pass", content_types: { allow: ["application/json"], verify: [] } },
    });
  }
});

Deno.test("an empty body that says it is gzip is no error", async () => {
  const coding: Fields = [["content-encoding", "gzip"]];
  for (const handler of [says("", coding, 404), says("", coding, 301), says("", coding, 204)]) {
    await withOrigin(handler, async ({ ask }) => {
      const { status, text } = await ask(TARGET);
      assert.deepEqual([[204, 301, 404].includes(status), text], [true, ""]);
    }, tmdb);
  }
  await withOrigin(chunked(new Uint8Array(0), coding), async ({ ask }) => {
    assert.deepEqual([(await ask("/a")).status, (await ask("/a")).text], [200, ""]);
  });
});

Deno.test("inAskedCoding() decodes codings that nobody asked for, without pool keys as with them", async () => {
  const withKey = { pool: { type: "tmdb-api", api_keys: ["0123456789abcdef0123456789abcdef"] } };
  for (const parts of [tmdb, withKey]) {
    for (const [coding, code] of Object.entries(CODERS)) {
      await withOrigin(says(code(bytesOf(DOCUMENT)), [["content-encoding", coding]]), async ({ ask }) => {
        for (const headers of [new Headers({ "accept-encoding": "identity" }), new Headers()]) {
          const { text, headers: got } = await ask(TARGET, { headers });
          assert.deepEqual([text, got.get("content-encoding")], [DOCUMENT, null], coding);
          const mine = await ask("/3/account/1/rated/movies?session_id=s", { headers });
          assert.deepEqual([mine.text, mine.headers.get("content-encoding")], [DOCUMENT, null], `${coding}, private`);
        }
      }, parts);
    }
    await withOrigins(
      [says(DOCUMENT, [["content-encoding", "x-unknown"]]), says(DOCUMENT)],
      (bad, good) =>
        withGateway(plainParts([bad!.url, good!.url], parts), async ({ ask }) => {
          for (let at = 0; at < 2; at++) assert.equal((await ask(`${TARGET}?at=${at}`)).text, DOCUMENT);
        }),
    );
  }
});

const FAILURES = [
  '{"success":false,"status_code":9,"status_message":"Service offline."}',
  ' {"status_code":25,"status_message":"Your request count is over the allowed limit.","success":false}\n',
  '{"status_code":7,"status_message":"Invalid API key: You must be granted a valid key."}',
];

Deno.test("saysFailure() passes an error with a good status on, and nobody keeps it", async () => {
  for (const failure of FAILURES) {
    for (const first of [says(failure), says(gzipSync(failure), [["content-encoding", "gzip"]])]) {
      await withOrigin(inParts(first, first, says(DOCUMENT)), async (gateway) => {
        for (let round = 0; round < 2; round++) {
          const { status, text, headers, cacheStatus } = await gateway.ask(TARGET);
          assert.deepEqual([status, text, headers.get("cache-control")], [200, failure, "no-store"]);
          assert.doesNotMatch(cacheStatus, /stored|hit/);
        }
        assert.equal((await gateway.ask(TARGET)).text, DOCUMENT);
        assert.match((await gateway.ask(TARGET)).cacheStatus, /hit/);
      }, tmdb);
    }
  }
});

Deno.test("saysFailure() passes one error on to all who wait for it, and no cache behind is to keep it", () => {
  const { promise, resolve: goOn } = Promise.withResolvers<void>();
  const failing: ScriptedHandler = async (exchange) => {
    await promise;
    await exchange.reply({ fields: [...JSON_TYPE, ["expires", "Thu, 01 Jan 2037 00:00:00 GMT"]], body: FAILURES[0]! });
  };
  return withOrigin(inParts(failing, says(DOCUMENT)), async (gateway, origin) => {
    const asked = Array.from(
      { length: 8 },
      (_, at) => gateway.ask(TARGET, { headers: { "accept-encoding": at % 2 === 0 ? "gzip" : "br" } }),
    );
    goOn();
    for (const { status, text, headers } of await Promise.all(asked)) {
      assert.deepEqual([status, text, headers.get("cache-control")], [200, FAILURES[0], "no-store"]);
      assert.equal(headers.get("expires"), null);
    }
    assert.equal(origin.heads.length, 1);
    assert.equal((await gateway.ask(TARGET)).text, DOCUMENT);
  }, tmdb);
});

Deno.test("saysFailure() keeps what only looks like one: 404 with code 34, a success, a title, and anything on custom", async () => {
  const rows: readonly (readonly [body: string, status: number])[] = [
    ['{"success":false,"status_code":34,"status_message":"The resource you requested could not be found."}', 404],
    ['{"success":true,"guest":1}', 200],
    ['{"id":1,"title":"success false","results":[{"success":false}]}', 200],
  ];
  for (const [body, status] of rows) {
    await withOrigin(says(body, [], status), async ({ ask }) => {
      assert.equal((await ask(TARGET)).text, body);
      assert.match((await ask(TARGET)).cacheStatus, /hit/);
    }, tmdb);
  }
  await withOrigin(says(FAILURES[0]), async ({ ask }) => {
    await ask("/a");
    assert.match((await ask("/a")).cacheStatus, /hit/);
  }, verifying);
});

Deno.test("a large picture that is cut short reaches nobody as a whole, and is not kept", () => {
  const picture = new Uint8Array(700_000).fill(7);
  picture.set([0xff, 0xd8, 0xff, 0xda]);
  const fields: Fields = [["content-type", "image/jpeg"], ["cache-control", "max-age=60"]];
  const whole = picture.slice();
  whole.set([0xff, 0xd9], whole.length - 2);
  const handler = inParts(
    (exchange) => exchange.reply({ fields, body: picture }),
    (exchange) => exchange.reply({ fields, body: whole }),
  );
  return withOrigin(handler, async (gateway, origin) => {
    await assert.rejects(gateway.send("/t/p/w500/a.jpg").then((response) => response.arrayBuffer()));
    await eventually("it has come to rest", () => gateway.gateway.services.collapse.size === 0);
    assert.equal((await (await gateway.send("/t/p/w500/a.jpg")).arrayBuffer()).byteLength, whole.length);
    await gateway.idle();
    assert.match((await gateway.ask("/t/p/w500/a.jpg")).cacheStatus, /hit/);
    assert.equal(origin.heads.length, 2);
  }, { pool: { type: "tmdb-image" } });
});

Deno.test("a document in gzip that is larger than what is stored is passed on, as one without a coding is", async () => {
  const pools = [tmdb, { pool: { type: "tmdb-api", api_keys: ["0123456789abcdef0123456789abcdef"] } }];
  for (const parts of pools) {
    for (
      const handler of [
        says(DOCUMENT),
        says(gzipSync(DOCUMENT), [["content-encoding", "gzip"]]),
        says(gzipSync(DOCUMENT)),
      ]
    ) {
      await withOrigin(handler, async ({ ask }) => {
        const { status, text, cacheStatus } = await ask(TARGET);
        assert.deepEqual([status, text], [200, DOCUMENT]);
        assert.match(cacheStatus, /detail=too-large/);
      }, { ...parts, cache: { max_entry: "100B" } });
    }
  }
});

Deno.test("content in several codings on top of each other is a failed try, and the next upstream is asked", () =>
  withOrigins(
    [says(DOCUMENT, [["content-encoding", "gzip, x-gzip"]]), says(DOCUMENT)],
    (bad, good) =>
      withGateway(plainParts([bad!.url, good!.url], tmdb), async ({ ask }) => {
        for (let at = 0; at < 2; at++) assert.equal((await ask(`${TARGET}?at=${at}`)).text, DOCUMENT);
        assert.ok(bad!.heads.length > 0);
      }),
  ));

Deno.test("content that is looked at keeps its trailers", () =>
  withOrigin(async (exchange) => {
    await exchange.write("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n");
    await exchange.write("2\r\n{}\r\n0\r\nx-sum: 5\r\n\r\n");
  }, async (gateway) => {
    const { hostname, port } = new URL(await gateway.serve());
    const socket = connect({ host: hostname, port: Number(port) });
    const inbox = new ByteInbox(socket);
    socket.write("GET /a HTTP/1.1\r\nhost: gateway.test\r\nte: trailers\r\nconnection: te\r\n\r\n");
    await inbox.takeThrough("\r\n\r\n");
    assert.match(await inbox.takeThrough("\r\n\r\n"), /^2\r\n\{\}\r\n0\r\nx-sum: 5\r\n/i);
    socket.destroy();
  }, verifying));
