/** Rooms of `lib/` by level. A new room is one line here and one row in ARCHITECTURE.md. */
const ROOM_LEVELS: Readonly<Record<string, number>> = {
  pattern: 0,
  http: 1,
  state: 1,
  certificates: 1,
  library: 1,
  logging: 1,
  metrics: 1,
  wire: 2,
  listener: 2,
  tracing: 2,
  clients: 2,
  cache: 2,
  image: 2,
  pool: 2,
  upstream_type: 2,
  server: 3,
  health: 3,
  cluster: 3,
  upstream_client: 3,
  request: 4,
  forward: 5,
  rules: 5,
  deliver: 5,
  pipeline: 6,
  forward_proxy: 6,
  config: 7,
  gateway: 8,
  migration: 8,
  workers: 9,
  admin: 10,
  inspect: 10,
};

/** Files that stand in no room. */
const FILE_LEVELS: Readonly<Record<string, number>> = {
  "lib/errors.ts": 0,
  "lib/clock.ts": 0,
  "lib/hash.ts": 0,
  "lib/rate_share.ts": 0,
  "lib/forwarded_fields.ts": 0,
  "lib/field_rights.ts": 0,
  "lib/forward_reason.ts": 0,
  "main.ts": 12,
};

const ROUTES_LEVEL = 11;

/** Rooms that never import each other, in either direction and not even for a type: `pipeline/` and `gateway.ts` bring them together. */
const STRANGERS: ReadonlySet<string> = new Set(["cache", "pool", "listener", "upstream_type"]);

/** Where a source file stands: its room (or itself, where it stands alone) and its level. */
export interface Place {
  readonly room: string;
  readonly level: number;
}

/** Finds the place of a path relative to the repository's root; `undefined` for what is no product source (tests, data, scripts). */
export function placeOf(path: string): Place | undefined {
  const alone = FILE_LEVELS[path];
  if (alone !== undefined) return { room: path, level: alone };
  const parts = path.split("/");
  if (parts[0] === "routes" && parts.length > 1) return { room: "routes", level: ROUTES_LEVEL };
  if (parts[0] !== "lib" || parts.length < 3) return undefined;
  const room = parts[1] ?? "";
  const level = ROOM_LEVELS[room];
  return level === undefined ? undefined : { room, level };
}

/** Says why `from` must not import `to` (both relative to the root, with `/`) and where the thing belongs; `undefined` where it may. */
export function judgeImport(from: string, to: string): string | undefined {
  return judgePrivate(from, to) ?? (isProduct(from) ? judgeProduct(from, to) : undefined);
}

/** Says what is wrong with where a product file stands; `undefined` where nothing is, and for all other files. */
export function judgePlace(path: string): string | undefined {
  if (!isProduct(path) || placeOf(path) !== undefined) return undefined;
  return `${path} stands in no known room: move it into one of ${Object.keys(ROOM_LEVELS).join("/ ")}/, ` +
    "or give its room a level in tests/house/levels.ts and a row in ARCHITECTURE.md";
}

function isProduct(path: string): boolean {
  return path === "main.ts" || path.startsWith("lib/") || path.startsWith("routes/");
}

function judgePrivate(from: string, to: string): string | undefined {
  const folder = to.slice(0, to.lastIndexOf("/") + 1);
  if (!to.slice(folder.length).startsWith("_")) return undefined;
  if (from.startsWith(folder) || from.startsWith(folder.replace(/^lib\//, "tests/"))) return undefined;
  return `${from} imports ${to}, which is private to ${folder}: use what a file without the underscore exports, ` +
    "or move the part that others need into one";
}

function judgeProduct(from: string, to: string): string | undefined {
  if (to.startsWith("tests/")) {
    return `${from} imports ${to}: the product never imports its tests; move the shared part into lib/`;
  }
  const source = placeOf(from);
  const target = placeOf(to);
  if (source === undefined || target === undefined || source.room === target.room) return undefined;
  return judgeLevels(from, to, source, target);
}

function judgeLevels(from: string, to: string, source: Place, target: Place): string | undefined {
  if (STRANGERS.has(source.room) && STRANGERS.has(target.room)) {
    return `${from} imports ${to}: ${source.room}/ and ${target.room}/ never meet; pass the value or the function in ` +
      "from lib/pipeline/ or lib/gateway/, or move pure grammar down to lib/http/";
  }
  if (target.level < source.level) return undefined;
  return `${from} (level ${source.level}) imports ${to} (level ${target.level}): move what it needs ` +
    (source.level === 0 ? "into the file itself" : `down to level ${source.level - 1} or below`) + ", or pass it in";
}
