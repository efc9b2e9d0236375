import assert from "node:assert/strict";
import { GuessLimit } from "../../lib/admin/guess_limit.ts";

const KEY = "k".repeat(64);
const TOKENS = [{ name: "admin", token: "right-token", role: "operate" as const }];

/** A door with a clock that the test moves, and what it logs. */
function door(tokens = TOKENS) {
  const lines: string[] = [];
  const time = { ms: 1_000 };
  const limit = new GuessLimit({
    logger: { warn: (message, fields) => lines.push(`${message} ${JSON.stringify(fields ?? {})}`) },
    now: () => time.ms,
  });
  const knock = (remote: string, token: string | null) => {
    const headers = new Headers({ host: "127.0.0.1" });
    if (token !== null) headers.set("authorization", `Bearer ${token}`);
    const answer = limit.authenticate(new Request("http://127.0.0.1/status", { headers }), remote, {
      tokens,
      key: KEY,
    });
    return "status" in answer ? answer : { status: 200, ...answer };
  };
  return { knock, lines, time };
}

Deno.test("GuessLimit looks at no token of an address that has given ten wrong ones, for a minute", () => {
  const { knock, time, lines } = door();
  for (let guess = 0; guess < 10; guess++) assert.equal(knock("192.0.2.1", `wrong-${guess}`).status, 401);
  // The right one is refused like a wrong one: nothing tells them apart.
  const [right, wrong] = [knock("192.0.2.1", "right-token"), knock("192.0.2.1", "wrong-again")];
  assert.deepEqual(right, wrong);
  assert.deepEqual([right.status, "retryAfterSeconds" in right ? right.retryAfterSeconds : null], [429, 60]);
  assert.equal(knock("192.0.2.1", null).status, 401, "who guesses nothing is told what is needed");
  assert.equal(knock("192.0.2.1", KEY).status, 200, "the process's own key");
  assert.equal(knock("192.0.2.2", "right-token").status, 200, "another address");
  time.ms += 59_999;
  assert.equal(knock("192.0.2.1", "right-token").status, 429);
  time.ms += 1;
  assert.equal(knock("192.0.2.1", "right-token").status, 200);
  assert.deepEqual(lines, [
    'A wrong admin token was given {"client":"192.0.2.1"}',
    'Many wrong admin tokens were given: none of this address is looked at for a minute {"client":"192.0.2.1"}',
  ]);
});

Deno.test("GuessLimit counts a wrong token that a client holds on to once", () => {
  const { knock, lines } = door();
  for (let time = 0; time < 1_000; time++) assert.equal(knock("127.0.0.1", "of-last-year").status, 401);
  assert.equal(knock("127.0.0.1", "right-token").status, 200);
  assert.equal(lines.length, 1);
});

Deno.test("GuessLimit keeps no right token of this machine out because of another program's wrong ones", () => {
  const { knock } = door();
  for (let guess = 0; guess < 20; guess++) {
    assert.equal(knock("127.0.0.1", `wrong-${guess}`).status, guess < 10 ? 401 : 429);
  }
  assert.equal(knock("127.0.0.1", "right-token").status, 200);
});

Deno.test("GuessLimit hurts nobody who gives no wrong token: on loopback without tokens nothing is a guess", () => {
  const { knock, lines } = door([]);
  for (let guess = 0; guess < 100; guess++) assert.equal(knock("127.0.0.1", `any-${guess}`).status, 200);
  assert.deepEqual(lines, []);
});

Deno.test("GuessLimit takes the addresses of one IPv6 /64 for one, and IPv4 written as IPv6 for IPv4", () => {
  const { knock } = door();
  for (let guess = 0; guess < 10; guess++) knock(`2001:db8::${guess + 1}`, `wrong-${guess}`);
  assert.equal(knock("2001:db8::ffff", "right-token").status, 429);
  assert.equal(knock("2001:db8:0:1::1", "right-token").status, 200);
  for (let guess = 0; guess < 10; guess++) knock("::ffff:192.0.2.1", `wrong-${guess}`);
  assert.equal(knock("192.0.2.1", "right-token").status, 429);
  assert.equal(knock("::ffff:192.0.2.2", "right-token").status, 200);
});

Deno.test("GuessLimit logs a bounded number of lines, never a token, however many addresses guess", () => {
  const { knock, lines, time } = door();
  for (let host = 0; host < 3_000; host++) knock(`10.1.${host >> 8}.${host & 255}`, `guess-${host}`);
  assert.equal(lines.length, 21);
  assert.doesNotMatch(lines.join(), /guess-/);
  time.ms += 60_000;
  knock("192.0.2.9", "guess-x");
  assert.equal(lines.length, 22);
});
