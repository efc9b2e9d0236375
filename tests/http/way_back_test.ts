import assert from "node:assert/strict";
import type { Fields } from "../../lib/http/fields.ts";
import { WayBack } from "../../lib/http/way_back.ts";

const CLIENT = "gateway.example:8080";
const TO = { authority: CLIENT, keyPrefix: "" };
const plain = new WayBack("/pre", [{ authorities: ["one.internal:9", "api.example"], basePath: "" }], false);
const based = new WayBack("/pre", [{ authorities: ["two.internal"], basePath: "/base" }, {
  authorities: ["three.internal"],
  basePath: "/base/deep",
}], true);

const REFERENCES: [way: WayBack, said: string, led: string][] = [
  [plain, "/login", "/pre/login"],
  [plain, "/", "/pre/"],
  [plain, "/?a=/b#c", "/pre/?a=/b#c"],
  [plain, "http://one.internal:9/login?x", "/pre/login?x"],
  [plain, "HTTPS://API.example", "/pre/"],
  [plain, "//api.example/x", "/pre/x"],
  [plain, `http://${CLIENT}/x`, `http://${CLIENT}/pre/x`],
  [plain, "https://elsewhere.example/x", "https://elsewhere.example/x"],
  [plain, "http://one.internal/x", "http://one.internal/x"],
  [plain, "http://one.internal:9@evil.example/x", "http://one.internal:9@evil.example/x"],
  [plain, "x/y", "x/y"],
  [plain, "../x", "../x"],
  [plain, "?q", "?q"],
  [plain, "", ""],
  [plain, "mailto:a@b.example", "mailto:a@b.example"],
  [plain, "/pre/x", "/pre/pre/x"],
  [based, "/pre/x", "/pre/x"],
  [based, "/prefix", "/prefix"],
  [based, "/base/x", "/pre/x"],
  [based, "/base", "/pre"],
  [based, "/base/deep/x", "/pre/x"],
  [based, "/based", "/based"],
  [based, "http://two.internal/other", "http://two.internal/other"],
];

for (const [way, said, led] of REFERENCES) {
  Deno.test(`WayBack.reference() leads ${JSON.stringify(said)} to ${JSON.stringify(led)}`, () => {
    assert.equal(way.reference(said, TO), led);
  });
}

Deno.test("WayBack.fields() maps cookies and Refresh, and gives back a list that nothing is mapped in", () => {
  const cases: [way: WayBack, name: string, said: string, led: string][] = [
    [plain, "set-cookie", "a=1; Path=/x; Secure", "a=1; Path=/pre/x; Secure"],
    [plain, "set-cookie", "a=1;path=/;HttpOnly", "a=1; Path=/pre;HttpOnly"],
    [plain, "set-cookie", "a=/x; Domain=.api.example; Max-Age=1", "a=/x; Max-Age=1"],
    [plain, "set-cookie", "a=1; domain=example", "a=1"],
    [plain, "set-cookie", "a=1; Domain=other.example", "a=1; Domain=other.example"],
    [plain, "set-cookie", "__Host-a=1; Path=/; Secure", "__Host-a=1; Path=/; Secure"],
    [plain, "set-cookie", "a=1", "a=1"],
    [based, "set-cookie", "a=1; Path=/", "a=1; Path=/pre"],
    [based, "set-cookie", "a=1; Path=/other", "a=1; Path=/other"],
    [plain, "refresh", "5; url=/x", "5; url=/pre/x"],
    [plain, "refresh", "0;URL='http://api.example/x'", "0;URL='/pre/x'"],
    [plain, "refresh", "5", "5"],
    [plain, "x-location", "/x", "/x"],
  ];
  for (const [way, name, said, led] of cases) {
    const fields: Fields = [["date", "x"], [name, said]];
    const mapped = way.fields(fields, TO);
    assert.deepEqual(mapped, [["date", "x"], [name, led]], said);
    assert.equal(mapped === fields, said === led, said);
  }
});

Deno.test("WayBack.fields() leads a client with a token in its paths back by that token", () => {
  const to = { authority: CLIENT, keyPrefix: "/~key" };
  const given: Fields = [
    ["location", "/login"],
    ["content-location", `http://${CLIENT}/x`],
    ["refresh", "0; url=/later"],
    ["set-cookie", "a=1; Path=/x"],
    ["set-cookie", "b=1; Path=/"],
    ["link", "</x>"],
  ];
  assert.deepEqual(plain.fields(given, to).map(([, value]) => value), [
    "/~key/pre/login",
    `http://${CLIENT}/~key/pre/x`,
    "0; url=/~key/pre/later",
    "a=1; Path=/~key/pre/x",
    "b=1; Path=/~key/pre",
    "</x>",
  ]);
  assert.equal(based.reference("/pre/x", to), "/~key/pre/x");
  assert.equal(plain.reference("https://elsewhere.example/x", to), "https://elsewhere.example/x");
});
