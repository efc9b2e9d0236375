import assert from "node:assert/strict";
import { ADMIN_ROLES, type AdminRole } from "../../lib/config/admin.ts";
import { adminApp } from "../../routes/admin.ts";
import { ENDPOINTS } from "../../routes/api/endpoints.ts";
import { pathsOf } from "../../routes/api/routes.ts";
import { plainView } from "./plain_view.ts";

const TOKENS = ADMIN_ROLES.map((role) => ({ name: `for-${role}`, token: `token-of-${role}-0123456789`, role }));

/** What each role may use, by what the endpoint asks for. */
const MAY: Readonly<Record<AdminRole, readonly AdminRole[]>> = {
  metrics: ["metrics"],
  read: ["metrics", "read"],
  operate: ["metrics", "read", "operate"],
};

/** One request of the table: an endpoint under one of its names, and who asks. */
interface Row {
  readonly method: string;
  readonly path: string;
  readonly needs: AdminRole;
}

const ROWS: readonly Row[] = ENDPOINTS.flatMap((endpoint) =>
  pathsOf(endpoint).map((path) => ({
    method: endpoint.method,
    path: path.replaceAll(/\{\w+\}/g, "any"),
    needs: endpoint.role,
  }))
);

/** What is answered, and whether the request came through to what the endpoint does. */
async function outcome({ method, path }: Row, token: string | null, remote = "192.0.2.1") {
  const touched: string[] = [];
  const doors = new Set<PropertyKey>(["tokens", "key", "logger", "isReady"]);
  const view = new Proxy(plainView({ tokens: TOKENS }), {
    get(target, name, receiver) {
      if (!doors.has(name)) touched.push(String(name));
      return Reflect.get(target, name, receiver);
    },
  });
  const headers = new Headers({ host: "usher.example", "content-type": "application/json" });
  if (token !== null) headers.set("authorization", `Bearer ${token}`);
  // No endpoint takes this body, so what is let in ends at the check of it, if it has one.
  const body = method === "GET" ? null : '{"no such key":1}';
  const response = await adminApp(view).request(path, { method, headers, body }, { remote });
  await response.body?.cancel();
  return { status: response.status, touched };
}

Deno.test("every endpoint, under each of its names, lets in the roles that may use it and no others", async () => {
  assert.ok(ROWS.length > 20);
  for (const row of ROWS) {
    for (const { token, role } of TOKENS) {
      const { status, touched } = await outcome(row, token);
      const what = `${row.method} ${row.path} (${row.needs}) with ${role}: ${status}`;
      if (MAY[role].includes(row.needs)) assert.ok(status !== 401 && status !== 403, what);
      else assert.deepEqual([status, touched], [403, []], what);
    }
  }
});

Deno.test("no endpoint does anything without a token, or for a wrong one, whatever its address is called", async () => {
  for (const row of ROWS) {
    for (const token of [null, "wrong", "token-of-operate-012345678", "Token-Of-Operate-0123456789"]) {
      for (const path of [row.path, `${row.path}/`, `${row.path}?token=${TOKENS[2]!.token}`, `/${row.path}`]) {
        const { status, touched } = await outcome({ ...row, path }, token);
        assert.deepEqual([status, touched], [401, []], `${row.method} ${path} with ${token}`);
      }
    }
  }
});

Deno.test("the process's own key opens everything", async () => {
  for (const row of ROWS) {
    const { status } = await outcome(row, plainView().key);
    assert.ok(status !== 401 && status !== 403, `${row.method} ${row.path}: ${status}`);
  }
});

Deno.test("no GET asks for more than to read, and no change for less than to operate", () => {
  const mayLook = new Set(["/explain", "/cache/lookup"]);
  for (const { method, path, role } of ENDPOINTS) {
    if (method === "GET") assert.notEqual(role, "operate", path);
    else if (!mayLook.has(path)) assert.equal(role, "operate", `${method} ${path}`);
  }
});
