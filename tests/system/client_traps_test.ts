import assert from "node:assert/strict";
import { filePath, listedSizes } from "../origins/artwork.ts";
import { demoApiKey, startTmdbOrigin, type TmdbOrigin } from "../origins/tmdb_origin.ts";
import {
  type Answered,
  type GatewayParts,
  type InProcessGateway,
  withGateway,
} from "../pipeline/in_process_gateway.ts";

const JSON_TYPE = /^application\/json(?:;|$)/;
const RATE_FIELDS = { "x-ratelimit-limit": "40", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "1" };
const poster = filePath("poster", "movie/550");
const logo = filePath("logo", "movie/550");
const jpeg = Uint8Array.of(0xff, 0xd8, 0xff, 0xda, 0, 2, 74, 70, 73, 70, 0, 0xff, 0xd9);
const apiListeners = [{ name: "api", prefix: "/3", pool: "api" }, { name: "images", prefix: "/t/p", pool: "images" }];

/** Runs a test with a gateway for the API and the images of a TMDB-shaped origin. */
async function withTmdb(
  run: (gateway: InProcessGateway, origin: TmdbOrigin) => Promise<void>,
  { listeners = apiListeners, pool = {} }: {
    readonly listeners?: GatewayParts["listeners"];
    readonly pool?: Readonly<Record<string, unknown>>;
  } = {},
): Promise<void> {
  const origin = await startTmdbOrigin();
  const shared = { health: false, upstreams: [origin.url], ...pool };
  const pools = {
    api: { type: "tmdb-api", api_keys: [demoApiKey], ...shared },
    images: { type: "tmdb-image", ...shared },
  };
  try {
    await withGateway({ pools, listeners }, (gateway) => run(gateway, origin));
  } finally {
    await origin.close();
  }
}

/** Has the origin answer so, whatever it is asked. */
function answersAlways(
  origin: TmdbOrigin,
  status: number,
  body: string | Uint8Array<ArrayBuffer>,
  fields: Record<string, string>,
): void {
  origin.fault = () => new Response(body, { status, headers: fields });
}

/** TMDB's code of an error; fails where it has not TMDB's shape. */
function codeOf({ status, headers, text }: Answered): number {
  assert.match(headers.get("content-type") ?? "", JSON_TYPE, `${status}: ${text}`);
  const { success, status_code, status_message } = JSON.parse(text);
  assert.equal(success, false);
  assert.equal(typeof status_message, "string");
  return status_code;
}

Deno.test("MoviePilot sleeps for ever on a stale X-RateLimit-Remaining: no such field reaches a client", () =>
  withTmdb(async ({ ask }, origin) => {
    const seen: Answered[] = [];
    const error = '{"success":false,"status_code":25,"status_message":"x"}';
    answersAlways(origin, 200, jpeg, { "content-type": "image/jpeg", ...RATE_FIELDS });
    seen.push(await ask("/t/p/w92/a.jpg"), await ask("/t/p/w92/a.jpg"));
    // The limit comes last: after it the key rests.
    for (const status of [200, 404, 429]) {
      answersAlways(origin, status, error, { "content-type": "application/json", ...RATE_FIELDS });
      const paths = status === 429 ? ["/3/movie/429"] : [`/3/movie/${status}`, `/3/movie/${status}`, "/3/account/1"];
      for (const path of paths) seen.push(await ask(path));
    }
    for (const { headers } of seen) {
      assert.deepEqual([...headers.keys()].filter((name) => /rate-?limit/.test(name)), []);
    }
    assert.equal(seen.at(-1)!.status, 429);
  }, { pool: { retry: { attempts: 1 } } }));

Deno.test("MoviePilot sleeps for ever on a stale X-RateLimit-Remaining: the gateway's own limits are told by the IETF's fields", () => {
  const rate_limit = { requests: 1, per: "1h" };
  return withTmdb(async ({ ask }) => {
    const [first, second] = [await ask("/3/movie/550"), await ask("/3/movie/550")];
    assert.deepEqual([first.status, second.status, codeOf(second)], [200, 429, 25]);
    assert.ok(Number(second.headers.get("retry-after")) >= 1);
    for (const { headers } of [first, second]) {
      assert.ok(headers.has("ratelimit") && headers.has("ratelimit-policy"));
      assert.deepEqual([...headers.keys()].filter((name) => name.startsWith("x-ratelimit")), []);
    }
  }, { listeners: [{ ...apiListeners[0], rate_limit }] });
});

Deno.test("MoviePilot builds ?api_key=K&&language=zh: empty and reordered parameters share a stored response", () =>
  withTmdb(async ({ ask }, origin) => {
    const first = await ask(`/3/movie/550?api_key=${demoApiKey}&&language=zh&append_to_response=credits,images`);
    assert.match(first.cacheStatus, /stored/);
    for (
      const query of [
        "language=zh&append_to_response=images,credits",
        `append_to_response=credits%2Cimages&language=zh&api_key=${"f".repeat(32)}`,
        "&language=zh&&append_to_response=credits,images&",
        "language=zh&append_to_response=credits,,images,credits",
      ]
    ) {
      const { cacheStatus, text } = await ask(`/3/movie/550?${query}`);
      assert.match(cacheStatus, /; hit/, query);
      assert.equal(text, first.text);
    }
    assert.equal(origin.count("/3/movie/550"), 1);
    assert.match((await ask("/3/movie/550?language=zh-CN&append_to_response=credits,images")).cacheStatus, /uri-miss/);
  }));

Deno.test("Seerr computes with what follows max-age=: images say exactly public, max-age=N", async (t) => {
  for (const said of ["public, max-age=31536000", "public, max-age=600, immutable", "max-age=60", "no-cache", null]) {
    await t.step(String(said), () =>
      withTmdb(async ({ ask }, origin) => {
        const fields: Record<string, string> = { "content-type": "image/jpeg", etag: '"a"' };
        if (said !== null) fields["cache-control"] = said;
        answersAlways(origin, 200, jpeg, fields);
        for (const turn of ["miss", "hit"]) {
          const { headers } = await ask("/t/p/w92/a.jpg");
          assert.match(headers.get("cache-control") ?? "", /^public, max-age=[1-9]\d*$/, turn);
          assert.ok(!headers.has("expires") && !headers.has("pragma"));
        }
      }));
  }
});

Deno.test("Seerr makes a file name of the entity tag: images have strong tags of letters, digits, _ and -", async (t) => {
  for (const tag of ['"5f3b"', 'W/"abc/def.1"', '"a.b/c"', '"' + "x".repeat(300) + '"', null]) {
    await t.step(String(tag).slice(0, 20), () =>
      withTmdb(async ({ ask }, origin) => {
        const fields: Record<string, string> = { "content-type": "image/jpeg", "cache-control": "public, max-age=600" };
        if (tag !== null) fields["etag"] = tag;
        answersAlways(origin, 200, jpeg, fields);
        const [miss, hit] = [await ask("/t/p/w92/a.jpg"), await ask("/t/p/w92/a.jpg")];
        const etag = miss.headers.get("etag") ?? "";
        assert.match(etag, /^"[A-Za-z0-9_-]{1,64}"$/);
        assert.equal(hit.headers.get("etag"), etag);
        assert.match(hit.cacheStatus, /; hit/);
        const again = await ask("/t/p/w92/a.jpg", { headers: { "if-none-match": etag } });
        assert.deepEqual([again.status, again.headers.get("etag")], [304, etag]);
      }));
  }
});

Deno.test("Seerr asks for sizes that no list has: any size token is served, each an image of its own", () =>
  withTmdb(async ({ ask }, origin) => {
    const sizes = [
      ...["w600_and_h900_bestv2", "w1920_and_h800_multi_faces", "w220_and_h330_face", "w1440_and_h320_multi_faces"],
      ...["w780_filter(duotone,ffffff,bababa)", "w780_filter(duotone,032541,01b4e4)", "h632", "original", "w92"],
    ];
    for (const size of sizes) {
      const { status, headers, cacheStatus } = await ask(`/t/p/${size}${poster}`);
      assert.deepEqual([status, headers.get("content-type")], [200, "image/jpeg"], size);
      assert.match(cacheStatus, /stored/, size);
      assert.match((await ask(`/t/p/${size}${poster}`)).cacheStatus, /; hit/, size);
    }
    assert.equal(origin.count("/t/p/"), sizes.length);
    const escaped = await ask(`/t/p/w780_filter%28duotone%2Cffffff%2Cbababa%29${poster}`);
    assert.match(escaped.cacheStatus, /; hit/);
  }));

Deno.test("Seerr puts two slashes before the file's name: they are one image, and the origin sees one slash", () =>
  withTmdb(async ({ ask }, origin) => {
    const first = await ask(`/t/p/original/${poster}`);
    assert.equal(first.status, 200);
    for (const path of [`/t/p/original${poster}`, `/t/p//original///${poster}`]) {
      const { text, cacheStatus } = await ask(path);
      assert.match(cacheStatus, /; hit/, path);
      assert.equal(text, first.text);
    }
    assert.deepEqual(origin.requests.map(({ target }) => target), [`/t/p/original${poster}`]);
  }));

Deno.test("a logo's .svg and .png are two images: neither is given for the other", () =>
  withTmdb(async ({ ask }, origin) => {
    const svg = logo.replace(".png", ".svg");
    for (let turn = 0; turn < 2; turn++) {
      const [vector, bitmap] = [await ask(`/t/p/original${svg}`), await ask(`/t/p/original${logo}`)];
      assert.deepEqual(
        [vector.headers.get("content-type"), bitmap.headers.get("content-type")],
        ["image/svg+xml", "image/png"],
      );
      assert.match(vector.headers.get("content-security-policy") ?? "", /sandbox/);
      assert.equal(vector.headers.get("x-content-type-options"), "nosniff");
    }
    assert.equal(origin.count("/t/p/"), 2);
  }));

Deno.test("media servers write images to poster.jpg: WebP is not given for a name that says .jpg", () =>
  withTmdb(async ({ ask }) => {
    for (const accept of ["image/webp,*/*", "image/avif,image/webp", "*/*"]) {
      const { headers } = await ask(`/t/p/w342${poster}`, { headers: { accept } });
      assert.equal(headers.get("content-type"), "image/jpeg", accept);
    }
  }));

Deno.test("media servers probe images with HEAD: it says what GET says, from the store too", () =>
  withTmdb(async ({ ask }, origin) => {
    const cold = await ask(`/t/p/w342${poster}`, { method: "HEAD" });
    assert.deepEqual([cold.status, cold.text], [200, ""]);
    const got = await ask(`/t/p/w342${poster}`);
    const warm = await ask(`/t/p/w342${poster}`, { method: "HEAD" });
    assert.match(warm.cacheStatus, /; hit/);
    for (const { headers } of [cold, warm]) {
      for (const name of ["content-type", "content-length", "etag"]) {
        assert.equal(headers.get(name), got.headers.get(name), name);
      }
    }
    assert.ok(origin.count("/t/p/") <= 2);
    assert.equal((await ask("/3/movie/550", { method: "HEAD" })).status, 200);
  }));

Deno.test("TMDbLib takes only application/json for an answer: every error of the gateway has TMDB's shape and code", async (t) => {
  await t.step("the upstream is not there", () =>
    withTmdb(async ({ ask }, origin) => {
      await origin.close();
      const api = await ask("/3/movie/550");
      assert.deepEqual([api.status, codeOf(api)], [502, 43]);
      assert.equal(codeOf(await ask("/3/account/1?session_id=a")), 43);
      assert.equal(codeOf(await ask(`/t/p/w92${poster}`)), 43);
      assert.match(api.headers.get("proxy-status") ?? "", /error=/);
    }));
  await t.step("the upstream says nothing", () =>
    withTmdb(async ({ ask }, origin) => {
      origin.fault = () => "hang";
      const { status, ...rest } = await ask("/3/movie/550");
      assert.deepEqual([status, codeOf({ status, ...rest })], [504, 24]);
    }, { pool: { timeouts: { first_byte: "1s" }, retry: { attempts: 1 } } }));
  await t.step("the upstream breaks off", () =>
    withTmdb(async ({ ask }, origin) => {
      origin.fault = () => "reset";
      const answered = await ask("/3/movie/550");
      assert.deepEqual([answered.status, codeOf(answered)], [502, 43]);
    }));
  await t.step("only what is stored was asked for", () =>
    withTmdb(async ({ ask }) => {
      const answered = await ask("/3/movie/550", { headers: { "cache-control": "only-if-cached" } });
      assert.deepEqual([answered.status, codeOf(answered)], [504, 24]);
    }));
});

Deno.test("TMDbLib loses the code of errors that are no JSON: pages and texts of the upstream become errors in TMDB's shape", async (t) => {
  const pages: ReadonlyArray<readonly [status: number, type: string, wanted: number, code: number]> = [
    [200, "text/html", 502, 43],
    [302, "text/html", 502, 43],
    [403, "text/html", 502, 43],
    [404, "text/html", 502, 43],
    [429, "text/html", 429, 25],
    [429, "text/plain", 429, 25],
    [500, "text/plain", 502, 43],
    [500, "text/html;charset=utf-8", 502, 43],
    [502, "text/html", 502, 43],
    [503, "text/plain", 502, 43],
    [504, "application/xml", 502, 43],
  ];
  for (const [status, type, wanted, code] of pages) {
    await t.step(`${status} ${type}`, () =>
      withTmdb(async ({ ask }, origin) => {
        answersAlways(origin, status, "<h1>No</h1>", { "content-type": type, "retry-after": "7" });
        for (const path of ["/3/movie/550", "/3/account/1?session_id=a"]) {
          const answered = await ask(path);
          assert.deepEqual([answered.status, codeOf(answered)], [wanted, code], path);
          if (status === 429) assert.equal(answered.headers.get("retry-after"), "7", path);
        }
      }, { pool: { retry: { attempts: 1 }, key_mode: "pass" } }));
  }
});

Deno.test("TMDB's own errors reach the client as they are, byte for byte", async (t) => {
  const errors: ReadonlyArray<readonly [status: number, code: number]> = [
    ...[[401, 7], [404, 34], [404, 6], [400, 22], [406, 19], [500, 11], [503, 9], [504, 24]] as const,
    ...[[200, 13], [201, 12]] as const,
  ];
  for (const [status, code] of errors) {
    await t.step(`${status} with code ${code}`, () =>
      withTmdb(async ({ ask }, origin) => {
        const body = `{"success":${status < 300},"status_code":${code},"status_message":"As TMDB says, 7.0."}`;
        answersAlways(origin, status, body, { "content-type": "application/json;charset=utf-8" });
        const answered = await ask("/3/movie/550");
        assert.deepEqual([answered.status, answered.text], [status, body]);
      }, { pool: { retry: { attempts: 1 } } }));
  }
});

Deno.test("TMDbLib takes body code 25 for a limit even without 429: it passes, and limits nobody but that client", () =>
  withTmdb(async ({ ask }, origin) => {
    const body = '{"success":false,"status_code":25,"status_message":"over the limit"}';
    answersAlways(origin, 403, body, { "content-type": "application/json" });
    const answered = await ask("/3/movie/550");
    assert.deepEqual([answered.status, answered.text], [403, body]);
    assert.doesNotMatch(answered.cacheStatus, /stored/);
    origin.fault = null;
    // Neither the key nor the upstream was taken out.
    assert.equal((await ask("/3/movie/550")).status, 200);
  }));

Deno.test("TMDbLib waits by Retry-After: TMDB's is passed on with its 429, and a 429 is never stored", () =>
  withTmdb(async ({ ask, clock }, origin) => {
    const body = '{"success":false,"status_code":25,"status_message":"over the limit"}';
    answersAlways(origin, 429, body, { "content-type": "application/json", "retry-after": "11" });
    const { status, headers, text } = await ask("/3/movie/550");
    assert.deepEqual([status, headers.get("retry-after"), text], [429, "11", body]);
    origin.fault = null;
    clock.advance(12_000);
    assert.equal((await ask("/3/movie/550")).status, 200);
  }, { pool: { retry: { attempts: 1 } } }));

Deno.test("Jellyfin changes a user's setting where a size is missing: size lists are never cut", () =>
  withTmdb(async ({ ask }) => {
    for (let turn = 0; turn < 2; turn++) {
      const { images, change_keys } = JSON.parse((await ask("/3/configuration")).text);
      for (const [kind, sizes] of Object.entries(listedSizes)) assert.deepEqual(images[`${kind}_sizes`], sizes, kind);
      assert.ok(Array.isArray(change_keys));
    }
  }));

Deno.test("Jellyfin and Kodi take images from secure_base_url: it leads here, and keeps its form", () =>
  withTmdb(async ({ ask }) => {
    const { images } = JSON.parse((await ask("/3/configuration", { headers: { host: "usher.lan:6635" } })).text);
    assert.deepEqual([images.base_url, images.secure_base_url], Array(2).fill("http://usher.lan:6635/t/p/"));
    assert.equal((await ask(new URL(images.secure_base_url + "w92" + poster).pathname)).status, 200);
  }));

Deno.test("browsers ask with OPTIONS: preflights are answered here, and every response may be read", () =>
  withTmdb(async ({ ask }, origin) => {
    const asks = { origin: "https://lampa.example", "access-control-request-method": "GET" };
    const preflight = await ask("/3/movie/550", {
      method: "OPTIONS",
      headers: { ...asks, "access-control-request-headers": "authorization" },
    });
    assert.ok(preflight.status === 204 || preflight.status === 200);
    assert.equal(preflight.headers.get("access-control-allow-origin"), "*");
    assert.match(preflight.headers.get("access-control-allow-headers") ?? "", /authorization/i);
    assert.equal(origin.requests.length, 0);
    const plain = await ask("/3/movie/550");
    const paths = ["/3/movie/550", "/3/movie/999999", `/t/p/w92${poster}`, "/3/account/1"];
    const seen = [plain, ...await Promise.all(paths.map((path) => ask(path, { headers: { origin: asks.origin } })))];
    for (const { headers } of seen) {
      assert.equal(headers.get("access-control-allow-origin"), "*");
      const exposed = (headers.get("access-control-expose-headers") ?? "").toLowerCase();
      for (const name of ["etag", "retry-after", "age", "cache-status"]) assert.ok(exposed.includes(name), name);
      assert.doesNotMatch(headers.get("vary") ?? "", /origin/i);
    }
  }));

Deno.test("emby-toolkit's base URL ends in /3: /3/3/… is not rewritten, and gets code 34", () =>
  withTmdb(async ({ ask }, origin) => {
    const answered = await ask("/3/3/movie/550");
    assert.deepEqual([answered.status, codeOf(answered)], [404, 34]);
    assert.ok(origin.requests[0]!.target.startsWith("/3/3/movie/550"));
    assert.equal((await ask("/3/movie/550")).status, 200);
  }));

Deno.test("clients whose address is built in come by TMDB's own names: the host decides", () => {
  const hosts = ["api.themoviedb.org", "api.tmdb.org"];
  const listeners = [
    { name: "api", host: hosts, prefix: "/3", pool: "api", rewrite_image_base: false },
    { name: "images", host: ["image.tmdb.org"], prefix: "/t/p", pool: "images" },
  ];
  return withTmdb(async ({ ask }) => {
    for (const host of [...hosts, "API.TheMovieDB.org:443"]) {
      assert.equal((await ask("/3/movie/550", { headers: { host } })).status, 200, host);
    }
    assert.equal((await ask(`/t/p/w92${poster}`, { headers: { host: "image.tmdb.org" } })).status, 200);
    assert.equal((await ask("/3/movie/550", { headers: { host: "image.tmdb.org" } })).status, 404);
    assert.equal((await ask("/3/movie/550", { headers: { host: "evil.example" } })).status, 404);
    const { images } = JSON.parse((await ask("/3/configuration", { headers: { host: hosts[0]! } })).text);
    assert.equal(images.secure_base_url, "https://image.tmdb.org/t/p/");
  }, { listeners });
});

Deno.test("Lampa's clones put a whole URL behind a prefix: the hosts that are listed are served, no others", () => {
  const listeners = [
    { name: "api", prefix: "/api/https://api.themoviedb.org", strip_prefix: true, pool: "api" },
    { name: "images", prefix: "/img/http://image.tmdb.org", strip_prefix: true, pool: "images" },
  ];
  return withTmdb(async ({ ask }, origin) => {
    const image = await ask(`/img/http://image.tmdb.org/t/p/w200/${poster}`);
    assert.deepEqual([image.status, image.headers.get("content-type")], [200, "image/jpeg"]);
    assert.equal(image.headers.get("access-control-allow-origin"), "*");
    assert.equal((await ask("/api/https://api.themoviedb.org/3/movie/550?language=ru")).status, 200);
    assert.deepEqual(origin.requests.map(({ target }) => target.split("?")[0]), [`/t/p/w200${poster}`, "/3/movie/550"]);
    for (
      const other of ["http://evil.example", "http://image.tmdb.org.evil.example", "http://image.tmdb.org@evil.example"]
    ) {
      assert.equal((await ask(`/img/${other}/t/p/w200${poster}`)).status, 404, other);
    }
    assert.equal(origin.requests.length, 2);
  }, { listeners });
});
