import { type Route, RouteTable } from "../../lib/listener/route_table.ts";

/** What finding a request's listener costs: `deno bench tests/bench/route_table_bench.ts`. */

function build(count: number): RouteTable<number> {
  const routes = Array.from({ length: count }, (_, index): Route<number> => {
    const kind = index % 3;
    const hosts = kind === 0 ? [] : kind === 1 ? [`h${index}.example`] : [`*.w${index}.example`];
    return { hosts, prefix: `/p${index}/${index % 7}`, value: index };
  });
  return new RouteTable(routes);
}

const REQUESTS: ReadonlyArray<readonly [what: string, host: (at: number) => string, residue: number]> = [
  ["any host", () => "gateway.example:6635", 0],
  ["exact host", (at) => `h${at}.example:6635`, 1],
  ["wildcard host", (at) => `api.w${at}.example:6635`, 2],
];

for (const count of [10, 1_000]) {
  const table = build(count);
  for (const [what, host, residue] of REQUESTS) {
    const at = count - 1 - (count - 1 - residue) % 3;
    const authority = host(at);
    const path = `/p${at}/${at % 7}/movie/550/images`;
    if (table.match(authority, path) !== at) throw new Error(`The table of ${count} does not lead to listener ${at}`);
    Deno.bench(`match, ${what}`, { group: `${count} listeners` }, () => void table.match(authority, path));
  }
  Deno.bench("match, no listener", { group: `${count} listeners` }, () => void table.match("h.example", "/a/b/c/d/e"));
}
