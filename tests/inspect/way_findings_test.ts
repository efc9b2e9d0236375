import assert from "node:assert/strict";
import type { Finding } from "../../lib/inspect/finding.ts";
import { shownMs } from "../../lib/inspect/finding.ts";
import { isReachable, wayFindings } from "../../lib/inspect/way_findings.ts";
import type { ProbedFamily, ProbedStep, ProbedWay } from "../../lib/upstream_client/probe.ts";
import { type FailureKind, UpstreamFailure } from "../../lib/upstream_client/transport.ts";

const WELL: ProbedStep = { durationMs: 12.4, failure: null };

function failed(message: string, kind: FailureKind = "tls", cause?: Error): ProbedStep {
  return { durationMs: 1, failure: new UpstreamFailure(kind, `Cannot connect: ${message}`, false, { cause }) };
}

function family(more: Partial<ProbedFamily> = {}): ProbedFamily {
  return { family: 4, addresses: ["203.0.113.7"], refused: [], lookup: WELL, tcp: WELL, tls: null, ...more };
}

function direct(...families: ProbedFamily[]): ProbedWay {
  return { kind: "direct", host: "api.example", families };
}

const brief = (findings: readonly Finding[]) => findings.map(({ check, state }) => `${check} ${state}`);

function only(way: ProbedWay, check: string): Finding {
  const found = wayFindings(way).filter((finding) => finding.check === check);
  assert.equal(found.length, 1, check);
  return found[0]!;
}

Deno.test("wayFindings() has a line for name, connections and TLS, and nothing to do where all is well", () => {
  const findings = wayFindings(direct(family({ tls: WELL }), family({ family: 6, addresses: [], tcp: null })));
  assert.deepEqual(brief(findings), ["name ok", "ipv4 ok", "tls ok"]);
  assert.match(findings[0]!.text, /A 203\.0\.113\.7 in 12 ms; no AAAA record/);
  assert.deepEqual(findings.map(({ remedy }) => remedy), [null, null, null]);
});

Deno.test("wayFindings() calls a private answer for a public name forged, and says how to get round it", () => {
  const forged = family({ addresses: ["127.0.0.1"], refused: ["127.0.0.1"], tcp: null });
  const none = family({ family: 6, addresses: [], tcp: null });
  const finding = only(direct(forged, none), "name");
  assert.equal(finding.state, "fail");
  assert.match(finding.text, /127\.0\.0\.1.*blocked or forged/);
  assert.match(finding.remedy!, /`resolve: ADDRESS`.*`proxy: …`.*`allow_private: true`/);
  const half = family({ family: 6, addresses: ["2001:db8::1"] });
  assert.equal(only(direct(forged, half), "name").state, "warn");
});

Deno.test("wayFindings() tells a name that is not there from a name server that is silent", () => {
  const none = family({ addresses: [], tcp: null });
  assert.match(only(direct(none), "name").remedy!, /spelled right/);
  const silent = family({ addresses: [], tcp: null, lookup: failed("no answer", "connect_timeout") });
  assert.match(only(direct(silent), "name").remedy!, /name server does not answer/);
  assert.equal(only(direct(family(), family({ ...silent, family: 6 })), "name").state, "warn");
});

Deno.test("wayFindings() warns of one broken family, and fails where none connects", () => {
  const six = family({
    family: 6,
    addresses: ["2001:db8::1"],
    tcp: failed("failed by 2001:db8::1 port 1", "connect", new Error("No route to host (os error 113)")),
  });
  const warned = only(direct(family(), six), "ipv6");
  assert.equal(warned.state, "warn");
  assert.match(warned.text, /No route to host$/);
  assert.match(warned.remedy!, /IPv6 is broken here/);
  assert.equal(only(direct(six), "ipv6").state, "fail");
  const refused = family({ tcp: failed("refused by x", "connect", new Deno.errors.ConnectionRefused("refused")) });
  assert.match(only(direct(refused), "ipv4").remedy!, /nothing listens there/);
  assert.equal(isReachable(direct(family(), six)), true);
  assert.equal(isReachable(direct(six)), false);
});

Deno.test("wayFindings() has a remedy for each way in which TLS fails", () => {
  const remedies = [
    ["invalid peer certificate: UnknownIssuer", /`ca: FILE`/],
    ['invalid peer certificate: certificate not valid for name "a"', /`host: NAME`/],
    ["invalid peer certificate: certificate expired: verification time 1", /clock is right/],
    ["received corrupt message of type InvalidContentType", /`http:\/\/`/],
    ["unexpected end of file", /SNI.*`proxy: …`/],
    ["connection reset", /SNI/],
    ["No answer within 5000 ms", /hangs.*SNI/],
    ["peer is incompatible", /TLS 1\.2/],
  ] as const;
  for (const [message, remedy] of remedies) {
    const finding = only(direct(family({ tls: failed(message) })), "tls");
    assert.equal(finding.state, "fail");
    assert.match(finding.remedy!, remedy);
    assert.equal(isReachable(direct(family({ tls: failed(message) }))), false);
  }
  assert.ok(only(direct(family({ tls: failed("x".repeat(5_000)) })), "tls").text.length < 250);
});

Deno.test("wayFindings() speaks of the proxy where there is one", () => {
  const way = (whole: ProbedStep): ProbedWay => ({ kind: "proxy", proxy: "socks5://127.0.0.1:1080", whole });
  assert.equal(only(way(WELL), "proxy").state, "ok");
  assert.match(
    only(way(failed("proxy socks5://127.0.0.1:1080: credentials refused", "proxy")), "proxy").remedy!,
    /credentials/,
  );
  assert.match(only(way(failed("proxy p cannot reach x", "connect")), "proxy").remedy!, /proxy answers/);
  assert.match(only(way(failed("unexpected end of file")), "proxy").remedy!, /SNI/);
});

Deno.test("shownMs() shows small times finely", () => {
  assert.deepEqual([0.26, 9.94, 12.4, 1234.5].map(shownMs), ["0.3 ms", "9.9 ms", "12 ms", "1235 ms"]);
});
