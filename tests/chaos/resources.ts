/**
 * What the origins of chaos and soak runs hold. Every byte of every response follows from the resource, who asks, and the moment at
 * which an origin made it: so a client knows each right answer without asking anybody.
 */
import { seededRandom } from "../seeded_random.ts";

/** A listener of the gateway under test. */
export type ListenerName = "api" | "images" | "site" | "closed" | "users";

/** The pool that a listener leads to. */
export const POOL_OF: Readonly<Record<ListenerName, string>> = {
  api: "api",
  images: "images",
  site: "custom",
  closed: "custom",
  users: "custom",
};

/** How a resource behaves. */
export interface Resource {
  readonly listener: ListenerName;
  readonly index: number;
  /** The target as clients send it, without a token. */
  readonly target: string;
  readonly form: "json" | "jpeg" | "text";
  readonly sizeBytes: number;
  /** It changes so often; 0 is never. */
  readonly periodMs: number;
  /** The origin's `Cache-Control`; empty where it sends none. */
  readonly control: string;
  readonly validator: "etag" | "date" | "none";
  readonly framing: "length" | "chunked" | "close";
  /** The field that the origin chooses by. */
  readonly vary: string | null;
  /** The origin answers each user with something else. */
  readonly isPrivate: boolean;
  /** How long a response may be used after the origin made it, as configured or as the origin says. */
  readonly promise: Lifetimes;
}

/** Lifetimes in milliseconds. */
interface Lifetimes {
  readonly freshMs: number;
  /** Longer, while a new one is fetched. */
  readonly whileMs: number;
  /** Longer, while upstreams fail; Infinity where RFC 9111 §4.2.4 leaves it open. */
  readonly errorMs: number;
}

/** Lifetimes that the gateway is configured with for listeners in mode `ttl`: the longest of all variants of the configuration. */
export const TTL_SECONDS = { api: { ttl: 4, swr: 2, sie: 30 }, images: { ttl: 6, swr: 0, sie: 30 } } as const;

/** Values of fields that an origin chooses by. */
export const VARIANTS = ["de", "en", "fr"] as const;

/** What the origins of `custom` say, in turn. */
const CONTROLS: readonly { readonly control: string; readonly promise: Lifetimes }[] = [
  ["max-age=3", 3, 0, Infinity],
  ["max-age=2, stale-while-revalidate=3", 2, 3, Infinity],
  ["max-age=2, stale-if-error=20", 2, 0, Infinity],
  ["s-maxage=3, max-age=1", 3, 0, 0],
  ["max-age=2, must-revalidate", 2, 0, 0],
  ["no-cache", 0, 0, 0],
  ["max-age=20", 20, 0, Infinity],
  ["no-store", 0, 0, 0],
].map(([control, fresh, during, error]) => ({
  control: control as string,
  promise: times(fresh as number, during as number, error as number),
}));

/** What it says of what belongs to a user, and of what does not although the request names one. */
const USERS_CONTROLS = ["private, max-age=60", "max-age=60", "no-store", "public, max-age=3"] as const;

function times(fresh: number, during: number, error: number): Lifetimes {
  return { freshMs: fresh * 1000, whileMs: during * 1000, errorMs: error * 1000 };
}

const PERIODS_MS = [0, 700, 1_500, 4_000, 15_000];

/** All resources of a listener, the most asked for first; the same ones in every process. */
export function resourcesOf(listener: ListenerName, count: number): Resource[] {
  return Array.from({ length: count }, (_, index) => resource(listener, index));
}

/** The resource of a listener by its number. */
export function resource(listener: ListenerName, index: number): Resource {
  const random = seededRandom(hashOf(`${listener} ${index}`));
  const pick = <T>(values: readonly T[]): T => values[Math.floor(random() * values.length)]!;
  const periodMs = pick(PERIODS_MS);
  // Dates hold whole seconds: two versions of one second could not be told apart.
  const validators: readonly Resource["validator"][] = periodMs === 0 || periodMs >= 4_000
    ? ["etag", "date", "none"]
    : ["etag", "none"];
  const base = { listener, index, periodMs, vary: null, isPrivate: false };
  switch (listener) {
    case "api": {
      const isPrivate = index % 6 === 5;
      const { ttl, swr, sie } = TTL_SECONDS.api;
      return {
        ...base,
        target: isPrivate ? `/3/account/${index}/favorite/movies` : `/3/movie/${index}?language=de`,
        form: "json",
        sizeBytes: pick([600, 2_000, 9_000, 40_000]),
        control: "max-age=600",
        validator: pick(["etag", "none"]),
        framing: pick(["length", "chunked"]),
        isPrivate,
        promise: isPrivate ? times(0, 0, 0) : times(ttl, swr, sie),
      };
    }
    case "images": {
      const { ttl, swr, sie } = TTL_SECONDS.images;
      return {
        ...base,
        target: `/t/p/w500/picture${index}.jpg`,
        form: "jpeg",
        sizeBytes: pick([5_000, 30_000, 90_000, 400_000]),
        control: "max-age=86400",
        validator: pick(validators),
        framing: "length",
        promise: times(ttl, swr, sie),
      };
    }
    case "users": {
      const control = USERS_CONTROLS[index % USERS_CONTROLS.length]!;
      const isPublic = control.startsWith("public");
      return {
        ...base,
        target: `/users/${index}`,
        form: "text",
        sizeBytes: pick([300, 3_000, 20_000]),
        control,
        validator: pick(["etag", "none"]),
        framing: pick(["length", "chunked"]),
        isPrivate: !isPublic,
        promise: isPublic ? times(3, 0, Infinity) : times(0, 0, 0),
      };
    }
    default:
      return {
        ...base,
        ...CONTROLS[index % CONTROLS.length]!,
        target: `/${listener}/${index}`,
        form: "text",
        sizeBytes: pick([200, 2_000, 20_000, 300_000]),
        validator: pick(validators),
        framing: pick(["length", "chunked", "close"]),
        vary: index % 3 === 1 ? pick(["accept-language", "x-flavour"]) : null,
      };
  }
}

/** Who asks for what: with the version, all that the bytes of a response follow from. */
export interface Asked {
  readonly resource: Resource;
  /** What the client sent in the field that the origin chooses by. */
  readonly variant: string;
  /** Who asks, where the resource is private; else empty. */
  readonly user: string;
}

/** The version that is in force at a moment; it rises. */
export function versionAt({ listener, index, periodMs }: Resource, atMs: number): number {
  return periodMs === 0 ? 1 : Math.floor((atMs + hashOf(`${listener}${index}`) % periodMs) / periodMs);
}

/** `Last-Modified` of a version, in milliseconds. */
export function modifiedAtMs(resource: Resource, version: number): number {
  if (resource.periodMs === 0) return Date.UTC(2020, 0, 1);
  const startMs = version * resource.periodMs - hashOf(`${resource.listener}${resource.index}`) % resource.periodMs;
  return Math.floor(startMs / 1000) * 1000;
}

/** `ETag` of a version, without its quotes. */
export function tagOf(asked: Asked, version: number): string {
  return `${version}-${hashOf(nameOf(asked)).toString(36)}`;
}

const FILLER = madeFiller();
const encoder = new TextEncoder();

/** The content of a response. */
export function bodyOf(asked: Asked, version: number): Uint8Array<ArrayBuffer> {
  const { form, sizeBytes } = asked.resource;
  const about = `${nameOf(asked)}|v${version}|`;
  const bytes = new Uint8Array(sizeBytes);
  const [before, after] = form === "json"
    ? [encoder.encode(`{"about":"${about}","filler":"`), encoder.encode('"}')]
    : form === "jpeg"
    ? [Uint8Array.of(0xff, 0xd8, 0xff, 0xfe, 1, 0, ...encoder.encode(about)), Uint8Array.of(0xff, 0xd9)]
    : [encoder.encode(about), encoder.encode("\n")];
  bytes.set(before);
  const start = hashOf(about) % (FILLER.length - sizeBytes);
  const fillerBytes = sizeBytes - before.length - after.length;
  bytes.set(FILLER.subarray(start, start + fillerBytes), before.length);
  bytes.set(after, sizeBytes - after.length);
  return bytes;
}

function nameOf({ resource: { listener, index }, variant, user }: Asked): string {
  return `${listener}/${index}|${variant}|${user}`;
}

/** A block of letters that no two places of look alike in. */
function madeFiller(): Uint8Array<ArrayBuffer> {
  const random = seededRandom(16);
  return Uint8Array.from({ length: 1024 * 1024 }, () => 97 + Math.floor(random() * 26));
}

/** FNV-1a; not the gateway's own, so that the two cannot be wrong together. */
export function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return hash >>> 0;
}
