import { type RuleOptions, RuleSet } from "../../lib/rules/rule_set.ts";

/** What asking a listener's rules costs: `deno bench tests/bench/rules_bench.ts`. */

const ANY = { path: null, methods: [], query: [], fields: [], clients: [], scheme: null };

/** Rules of every kind, of which a request meets the first alone. */
function build(count: number): RuleSet {
  const conditions = [
    () => ANY,
    (place: number) => ({ ...ANY, path: `/3/movie/*/part${place}` }),
    (place: number) => ({ ...ANY, path: `/section${place}/**` }),
    (place: number) => ({ ...ANY, fields: [["user-agent", `*bot${place}*`] as const] }),
    (place: number) => ({ ...ANY, query: [["q", String(place)] as const] }),
    (place: number) => ({ ...ANY, clients: [`10.${place % 250}.0.0/16`] }),
    () => ({ ...ANY, path: "/3/**", methods: ["POST"] }),
  ];
  const rules = Array.from({ length: count }, (_, place): RuleOptions => ({
    when: conditions[place === 0 ? 0 : 1 + place % (conditions.length - 1)]!(place),
    request: null,
    response: { fields: [{ kind: "set", name: "x-served-by", value: "usher" }], errors: [] },
    redirect: null,
    respond: null,
    pool: null,
    upstream: null,
  }));
  return new RuleSet(rules);
}

const fields: Readonly<Record<string, string>> = { "user-agent": "Kodi/21.0 (X11; Linux x86_64) App_Bitness/64" };

for (const count of [1, 50, 500]) {
  const rules = build(count);
  let turn = 0;
  const request = () => ({
    method: "GET",
    publicScheme: "http" as const,
    authority: "gateway.example",
    path: `/3/movie/${turn++ % 200}`,
    query: "language=de",
    client: "192.0.2.7",
    header: (name: string) => fields[name] ?? null,
  });
  if (rules.judge(request())?.applied.length !== 1) throw new Error("The request does not meet one rule alone");
  Deno.bench(`${count} rules, 200 paths in turn`, () => void rules.judge(request()));
}
