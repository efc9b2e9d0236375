import type { RuleOptions } from "../../lib/rules/rule_set.ts";

/** A request for the model. */
export interface ModelRequest {
  readonly method: string;
  readonly publicScheme: "http" | "https";
  readonly authority: string;
  readonly path: string;
  readonly query: string;
  readonly client: string;
  readonly fields: Readonly<Record<string, string>>;
}

/** What the model says of a request. */
export interface ModelRuling {
  readonly applied: readonly number[];
  readonly answer: string | null;
  readonly isFirst: boolean;
  readonly path: string | null;
  readonly query: string | null;
  readonly fields: readonly string[];
  readonly pool: string | null;
  readonly response: readonly string[];
}

/** The documented rules, in the plainest words: no index, no pattern engine of ours, nothing remembered. */
export function modelRuling(rules: readonly RuleOptions[], request: ModelRequest): ModelRuling {
  const reading = read(request.path);
  const applied = rules.flatMap(({ when }, place) => {
    const parameters = new URLSearchParams(request.query);
    const holds = (when.path === null || globExpression(when.path).test(reading)) &&
      (when.methods.length === 0 || when.methods.includes(request.method)) &&
      (when.scheme === null || when.scheme === request.publicScheme) &&
      when.fields.every(([name, glob]) => {
        const value = request.fields[name];
        return meets(glob.toLowerCase(), value === undefined ? [] : [value.toLowerCase()]);
      }) &&
      when.query.every(([name, glob]) => meets(glob, parameters.getAll(name))) &&
      isClient(when.clients, request.client);
    return holds ? [place] : [];
  });
  const answers = (place: number) => rules[place]!.redirect !== null || rules[place]!.respond !== null;
  const first = applied.find((place) => answers(place) && rules[place]!.when.clients.length > 0);
  const deciding = first ?? applied.find((place) => answers(place) || rules[place]!.pool !== null);
  const decider = deciding === undefined ? null : rules[deciding]!;
  const isAnswered = deciding !== undefined && answers(deciding);
  const change = changeOf(isAnswered ? [] : applied.map((place) => rules[place]!), request, reading);
  return {
    applied,
    answer: isAnswered ? answerOf(decider!, request.query, reading) : null,
    isFirst: first !== undefined,
    ...change,
    pool: isAnswered ? null : decider?.pool ?? null,
    response: applied.flatMap((place) => rules[place]!.response?.fields.map((field) => JSON.stringify(field)) ?? []),
  };
}

function read(path: string): string {
  const decoded = path.replaceAll(/%([0-9a-f]{2})/gi, (_, hex) => String.fromCharCode(parseInt(hex, 16)));
  const segments = decoded.split(/[/\\]/).map((segment) => segment.split(";")[0]!);
  const kept = segments.filter((segment, index) => segment !== "" || index === 0 || index === segments.length - 1);
  return kept.join("/");
}

function globExpression(glob: string): RegExp {
  const source = glob.replaceAll(/[\\^$.+?()[\]{}|]/g, "\\$&")
    .replaceAll(/\*\*|\*/g, (star) => star === "*" ? "([^/]*)" : "([^]*)");
  return new RegExp(`^${source}$`);
}

function meets(glob: string, values: readonly string[]): boolean {
  const isNegated = glob.startsWith("!");
  const pattern = new RegExp(`^${(isNegated ? glob.slice(1) : glob).replaceAll("*", "[^]*")}$`);
  return values.some((value) => pattern.test(value)) !== isNegated;
}

/** The model's clients are 10.0.0.0/8 or not. */
function isClient(blocks: readonly string[], client: string): boolean {
  return blocks.every((block) => client.startsWith("10.") !== block.startsWith("!"));
}

function fill(text: string, matched: readonly string[]): string {
  return text.replaceAll(/\$([1-9$])/g, (_, sign) => sign === "$" ? "$" : encodeURI(matched[Number(sign) - 1] ?? ""));
}

function answerOf({ redirect, respond, when }: RuleOptions, query: string, reading: string): string {
  if (respond !== null) return `${respond.status} ${respond.body}`;
  const matched = when.path === null ? [] : globExpression(when.path).exec(reading)!.slice(1);
  return `${redirect!.status} ${fill(redirect!.to, matched)}${query === "" ? "" : `?${query}`}`;
}

function changeOf(
  rules: readonly RuleOptions[],
  request: ModelRequest,
  reading: string,
): Pick<ModelRuling, "path" | "query" | "fields"> {
  let path = reading;
  let isRewritten = false;
  let pairs = request.query === "" ? [] : request.query.split("&");
  let fields = Object.entries(request.fields);
  for (const { request: change, when } of rules) {
    if (change === null) continue;
    const matched = when.path === null ? [] : globExpression(when.path).exec(reading)!.slice(1);
    const { rewrite } = change;
    const groups = rewrite === null
      ? null
      : rewrite.from === null
      ? matched
      : new RegExp(rewrite.from).exec(path)?.slice(1);
    if (rewrite !== null && groups != null) {
      path = rewrite.from === null
        ? fill(rewrite.to, groups)
        : path.replace(new RegExp(rewrite.from), () => fill(rewrite.to, groups));
      isRewritten = true;
    }
    for (const one of change.fields) {
      if (one.kind !== "add") fields = fields.filter(([name]) => name !== one.name);
      if (one.kind !== "remove") fields.push([one.name, fill(one.value, matched)]);
    }
    const names = [...change.query.remove, ...change.query.set.map(([name]) => name)];
    pairs = pairs.filter((pair) =>
      !names.some((name) => {
        const own = pair.split("=")[0]!;
        return name.endsWith("*") ? own.startsWith(name.slice(0, -1)) : own === name;
      })
    );
    for (const [name, value] of change.query.set) pairs.push(`${name}=${fill(value, matched)}`);
  }
  const query = pairs.join("&");
  return {
    path: isRewritten ? path : null,
    query: query === request.query ? null : query,
    fields: fields.map((field) => field.join(": ")).sort(),
  };
}
