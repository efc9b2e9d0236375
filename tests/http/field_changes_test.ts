import assert from "node:assert/strict";
import { changedFields, ChangedRequestFields, type FieldChange, namesSet } from "../../lib/http/field_changes.ts";
import { type Fields, fieldValue } from "../../lib/http/fields.ts";
import { requestFieldRefusal, responseFieldRefusal } from "../../lib/field_rights.ts";

const GIVEN: Fields = [["a", "1"], ["b", "2"], ["x-a", "3"], ["a", "4"], ["x-spared", "5"], ["x-request-id", "6"]];
const CHANGES: readonly FieldChange[] = [
  { kind: "remove", name: "x-*" },
  { kind: "set", name: "b", value: "6" },
  { kind: "add", name: "a", value: "7" },
  { kind: "add", name: "c", value: "8" },
];

function isSpared(name: string): boolean {
  return name === "x-spared";
}

Deno.test("changedFields() makes one change after the other, and leaves the given list alone", () => {
  const before = structuredClone(GIVEN);
  const changed = changedFields(GIVEN, CHANGES, isSpared);
  assert.deepEqual(changed, [["a", "1"], ["a", "4"], ["x-spared", "5"], ["b", "6"], ["a", "7"], ["c", "8"]]);
  assert.deepEqual(GIVEN, before);
  assert.deepEqual([...namesSet(CHANGES)], ["b"]);
});

Deno.test("ChangedRequestFields.header() gives what its list has", () => {
  const source = { header: (name: string) => fieldValue(GIVEN, name), list: () => GIVEN };
  const fields = new ChangedRequestFields(source, CHANGES);
  for (const name of ["a", "b", "c", "x-a", "x-request-id", "d"]) {
    assert.equal(fields.header(name), fieldValue(fields.list() as Fields, name), name);
  }
  assert.deepEqual(["x-a", "x-request-id"].map((name) => fields.header(name)), [null, "6"]);
});

Deno.test("a client cannot name what rules write as fields of its connection (RFC 9110 §7.6.1)", () => {
  const given: Fields = [["connection", "close, X-From , x-own"], ["connection", "x-more,te"], ["x-own", "1"]];
  const source = { header: (name: string) => fieldValue(given, name), list: () => given };
  const changes: FieldChange[] = [
    { kind: "set", name: "x-from", value: "usher" },
    { kind: "add", name: "x-more", value: "1" },
    { kind: "remove", name: "x-own" },
  ];
  const connection = new ChangedRequestFields(source, changes).header("connection")!;
  assert.deepEqual(connection.split(",").map((option) => option.trim()), ["close", "x-own", "te"]);
});

Deno.test("no rule may touch what frames a message or belongs to one connection, in either direction", () => {
  const framing = [
    "connection",
    "content-length",
    "transfer-encoding",
    "te",
    "trailer",
    "upgrade",
    "keep-alive",
    "expect",
    "proxy-authorization",
  ];
  for (const name of framing) {
    for (const act of ["set", "add", "remove"] as const) {
      assert.ok(requestFieldRefusal(act, name) !== null && responseFieldRefusal(act, name) !== null, `${act} ${name}`);
    }
  }
  for (const name of ["range", "if-none-match", "accept-encoding"]) {
    assert.ok(requestFieldRefusal("set", name) !== null);
    assert.equal(requestFieldRefusal("remove", name), null);
  }
  assert.equal(responseFieldRefusal("add", "vary"), null);
  assert.ok(responseFieldRefusal("remove", "vary") !== null);
  assert.equal(responseFieldRefusal("set", "cache-control"), null);
});
