import assert from "node:assert/strict";
import { plainPool, withGateway } from "../pipeline/in_process_gateway.ts";

const A = "http://127.0.0.1:1";

Deno.test("compileTenant() leaves out what a listener does not use, so that its requests pay nothing for it", () =>
  withGateway({
    pools: {
      p: plainPool([A]),
      api: plainPool([A], { type: "tmdb-api" }),
      images: plainPool([A], { type: "tmdb-image" }),
    },
    listeners: [
      { name: "plain", prefix: "/plain", pool: "p" },
      { name: "patched", prefix: "/patched", pool: "p", overrides: [{ path: "/**", merge: { a: 1 } }] },
      { name: "api", prefix: "/3", pool: "api" },
      { name: "untouched", prefix: "/4", pool: "api", rewrite_image_base: false },
      { name: "images", prefix: "/t/p", pool: "images" },
    ],
  }, ({ gateway }) => {
    const uses = Object.fromEntries(gateway.snapshot.tenants.map(({ name, rewriting }) => [name, rewriting !== null]));
    assert.deepEqual(uses, { plain: false, patched: true, api: true, untouched: false, images: false });
    const [plain] = gateway.snapshot.tenants;
    assert.deepEqual([plain!.auth, plain!.images, plain!.deriver, plain!.clientRate], [null, null, null, null]);
    return Promise.resolve();
  }));

Deno.test("compileTenant() bounds request bodies by the listener, else by the server", () =>
  withGateway({
    server: { max_request_body: "1MiB" },
    pools: { p: plainPool([A]) },
    listeners: [
      { name: "plain", prefix: "/plain", pool: "p" },
      { name: "uploads", prefix: "/uploads", pool: "p", max_request_body: "2GiB" },
    ],
  }, ({ gateway }) => {
    assert.deepEqual(gateway.snapshot.tenants.map(({ maxRequestBodyBytes }) => maxRequestBodyBytes), [
      1024 ** 2,
      2 * 1024 ** 3,
    ]);
    return Promise.resolve();
  }));
