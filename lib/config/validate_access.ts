import { cleanApiKey } from "./api_keys.ts";
import { tokenProblem } from "./client_token.ts";
import type { Path } from "./yaml/located.ts";
import type { DraftValues } from "./schema.ts";
import type { ValidationContext } from "./validation_context.ts";

type DraftListener = DraftValues["listeners"][number];
type Auth = NonNullable<DraftListener["auth"]>;

/** Fields that mean something else already: they would be taken out with the token, or come from somebody else. */
const TAKEN_FIELDS: ReadonlySet<string> = new Set([
  ...["authorization", "proxy-authorization", "cookie", "host", "origin", "referer", "range", "user-agent"],
  ...[
    "connection",
    "te",
    "transfer-encoding",
    "upgrade",
    "content-length",
    "content-type",
    "accept",
    "accept-encoding",
  ],
  ...["via", "forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-request-id"],
]);

/** `auth:` with nothing below it would leave open what was meant to be closed. */
function validatePresence({ auth }: DraftListener, path: Path, { problems }: ValidationContext): void {
  const at = [...path, "auth"];
  if (auth !== undefined || problems.tree.keyPosition(at) === undefined || problems.has(at)) return;
  problems.expect(at, "a mapping with `tokens`, or no `auth` at all, which lets anybody in", []);
}

/** A token with its place in the file. */
interface Placed {
  readonly at: Path;
  readonly client: string;
  readonly token: string;
}

function placedTokens(auth: Auth, path: Path, { problems }: ValidationContext): Placed[] {
  return Object.entries(auth.tokens).flatMap(([client, pasted]) => {
    const at = [...path, "auth", "tokens", client];
    const tokens = pasted.map(cleanApiKey);
    if (tokens.every((token) => token === "")) problems.expect(at, "a token, or several");
    return tokens.map((token, index) => ({ at: pasted.length > 1 ? [...at, index] : at, client, token }))
      .filter(({ token }) => token !== "");
  });
}

function validateTokens(auth: Auth, path: Path, context: ValidationContext): void {
  const { problems, values } = context;
  const at = [...path, "auth", "tokens"];
  const placed = placedTokens(auth, path, context);
  if (placed.length === 0 && !problems.has(at)) problems.expect(at, "at least one client with a token");
  const keys = new Set(Object.values(values.pools).flatMap((pool) => pool.api_keys.map(cleanApiKey)));
  const seen = new Map<string, Placed>();
  for (const one of placed) {
    const problem = tokenProblem(one.token);
    const first = seen.get(one.token);
    if (problem !== null) problems.expect(one.at, problem);
    else if (keys.has(one.token)) problems.expect(one.at, "a token that is not one of a pool's api_keys");
    else if (first !== undefined && first.client !== one.client) {
      problems.expect(one.at, `a token of its own (${first.client} has it too)`);
    }
    if (first === undefined) seen.set(one.token, one);
  }
}

function validateAuth(listener: DraftListener, path: Path, context: ValidationContext): void {
  const { problems } = context;
  const { auth } = listener;
  validatePresence(listener, path, context);
  if (auth === undefined) return;
  validateTokens(auth, path, context);
  if (!TAKEN_FIELDS.has(auth.header.toLowerCase())) return;
  const hint = auth.header.toLowerCase() === "authorization" ? " (for Authorization there is `bearer`)" : "";
  problems.expect([...path, "auth", "header"], `a field that has no meaning of its own${hint}`);
}

/** Names tell clients apart only where clients have names; fields that carry tokens do not, since they are taken out. */
function validateRateLimit({ auth, rate_limit }: DraftListener, path: Path, { problems }: ValidationContext): void {
  const field = rate_limit?.by === "header" ? rate_limit.header.toLowerCase() : null;
  if (auth !== undefined && (field === auth.header.toLowerCase() || (field === "authorization" && auth.bearer))) {
    problems.warn([...path, "rate_limit", "by"], "tokens are taken out of this field: `by: client` goes by them");
  }
  if (rate_limit?.by !== "client" || auth !== undefined || problems.has([...path, "auth"])) return;
  problems.expect(
    [...path, "rate_limit", "by"],
    "ip or header, because the listener has no `auth` with names of clients",
  );
}

function validateCors({ cors }: DraftListener, path: Path, { problems }: ValidationContext): void {
  if (cors === undefined || problems.has([...path, "cors"])) return;
  if (cors.credentials && cors.mode === "own" && cors.origins.includes("*")) {
    problems.expect(
      [...path, "cors", "credentials"],
      "false, or a list of `origins` without *: browsers refuse the two together",
    );
  }
  const isGiven = problems.given([...path, "cors", "origins"]).length === path.length + 2;
  if (cors.mode !== "own" && isGiven) {
    problems.warn([...path, "cors", "mode"], `the other keys are not used with \`mode: ${cors.mode}\``);
  }
}

/** Checks who may use a listener, and from which pages. `path` is that of the listener in the file. */
export function validateAccess(listener: DraftListener, path: Path, context: ValidationContext): void {
  validateAuth(listener, path, context);
  validateRateLimit(listener, path, context);
  validateCors(listener, path, context);
}
