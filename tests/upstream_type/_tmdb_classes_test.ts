import assert from "node:assert/strict";
import { classifyTmdb, provesKey } from "../../lib/upstream_type/_tmdb_classes.ts";
import { tmdbRoutes } from "../../lib/upstream_type/_tmdb_routes.ts";
import { readToken, requestFor, userToken } from "./_requests.ts";

/** Real paths of every pattern of the table. */
function pathsOf(pattern: string): string[] {
  if (pattern.endsWith("/**")) return ["", "/x", "/x/y"].flatMap((rest) => pathsOf(pattern.slice(0, -3) + rest));
  const filled = pattern.replaceAll("*", "1");
  const choice = /\{([^}]*)\}/.exec(filled);
  if (choice === null) return [filled];
  return choice[1]!.split(",").flatMap((word) => pathsOf(filled.replace(choice[0], word)));
}

Deno.test("classifyTmdb() shares no private path of the table, by any method", () => {
  const rows = tmdbRoutes.filter((route) => route.private !== null);
  const paths = rows.flatMap((route) => route.paths.flatMap(pathsOf));
  assert.ok(paths.length >= 25, String(paths.length));
  for (const path of paths) {
    for (const method of ["GET", "HEAD", "POST", "PUT", "DELETE"]) {
      const found = classifyTmdb(requestFor(path, { method }));
      assert.ok(found.private !== null && found.ttl === null && !found.sharedAuthorization, `${method} ${path}`);
    }
  }
});

Deno.test("classifyTmdb() shares every other path of the table, for GET and HEAD of applications alone", () => {
  for (const route of tmdbRoutes.filter((route) => route.private === null)) {
    for (const path of route.paths.flatMap(pathsOf)) {
      const fields = { authorization: `Bearer ${readToken}` };
      for (const request of [requestFor(path), requestFor(path, { method: "HEAD" }), requestFor(path, { fields })]) {
        assert.deepEqual(classifyTmdb(request), {
          name: route.name,
          private: null,
          sharedAuthorization: true,
          ttl: route.ttl,
        });
      }
      for (const method of ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"]) {
        assert.notEqual(classifyTmdb(requestFor(path, { method })).private, null, `${method} ${path}`);
      }
    }
  }
});

Deno.test("classifyTmdb() shares nothing that names a user", () => {
  const authorizations = [`Bearer ${userToken}`, "Bearer opaque", "Basic YTpi"];
  for (const authorization of authorizations) {
    assert.notEqual(
      classifyTmdb(requestFor("/3/movie/550", { fields: { authorization } })).private,
      null,
      authorization,
    );
  }
  for (const query of ["session_id=1", "guest_session_id=1", "append_to_response=account_states&session_id=1"]) {
    assert.notEqual(classifyTmdb(requestFor(`/3/movie/550?${query}`)).private, null, query);
  }
});

Deno.test("classifyTmdb() shares appended account states where nobody is named: by a key or a read token, but not by a user's token", () => {
  const target = "/3/movie/550?append_to_response=account_states,credits";
  assert.equal(classifyTmdb(requestFor(target)).private, null);
  const byUser = requestFor(target, { fields: { authorization: `Bearer ${userToken}` } });
  assert.equal(classifyTmdb(byUser).private, "user-authorization");
  assert.equal(classifyTmdb(requestFor("/3/movie/550/account_states")).private, "user-state");
});

Deno.test("classifyTmdb() does not tell values of the request in its reason", () => {
  const found = classifyTmdb(requestFor("/3/movie/550?session_id=secret"));
  assert.ok(!found.private!.includes("secret"));
});

Deno.test("provesKey() is true only where a 401 cannot be about a session", () => {
  assert.ok(provesKey("/3/movie/550") && provesKey("/3/configuration"));
  for (const path of ["/3/account", "/3/list/1", "/4/list/1", "/3/movie/550/account_states", "/3/unknown"]) {
    assert.ok(!provesKey(path), path);
  }
});
