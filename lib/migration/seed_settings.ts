import { parseUpstreamUrl } from "../config/addresses.ts";
import { cleanApiKey } from "../config/api_keys.ts";
import { upstreamTypes } from "../upstream_type/registry.ts";
import type { Located } from "../config/yaml/located.ts";
import { nearest } from "../config/yaml/nearest.ts";
import type { PlacedValue, ServiceEnvironment } from "./compose_file.ts";
import { formerVariables, seedVariables } from "./seed_variables.ts";

/** Types of upstreams that the seed had; they are called the same here. */
export type SeedType = "tmdb-api" | "tmdb-image" | "custom";

/** A usable value, and the words that say where it comes from. */
export interface Setting<T> {
  readonly value: T;
  /** Such as `PORT=6635`; of a secret only the name. */
  readonly origin: string;
}

/** What one service of the seed was told, as far as it can be used; `null` where it was not. */
export interface SeedSettings {
  readonly service: string | null;
  readonly type: Setting<SeedType>;
  readonly port: Setting<number> | null;
  readonly workers: Setting<number> | null;
  readonly upstreams: Setting<readonly string[]> | null;
  /** The key itself; it is compared and never written down. `unusable` is one that TMDB cannot have given. */
  readonly apiKey: { readonly text: string; readonly isUsable: boolean } | null;
  readonly testTarget: Setting<string> | null;
  readonly isCacheOff: Setting<true> | null;
  readonly memoryEntries: Setting<number> | null;
  readonly diskEntries: Setting<number> | null;
  readonly memoryTtlMs: Setting<number> | null;
  readonly diskTtlMs: Setting<number> | null;
  readonly requestTimeoutMs: Setting<number> | null;
  readonly unhealthyMs: Setting<number> | null;
  readonly maxErrors: Setting<number> | null;
  readonly checkIntervalMs: Setting<number> | null;
  readonly baseMultiplier: Setting<number> | null;
  readonly dynamicMultiplier: Setting<number> | null;
  readonly alphaInitial: Setting<number> | null;
  readonly alphaStep: Setting<number> | null;
  readonly attempts: Setting<number> | null;
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const MAX_TTL_MS = 3650 * DAY_MS;
const MAX_ENTRIES = 1_000_000_000;
const KEY_NOTE =
  "is not copied: the configuration refers to it, so have it in the gateway's environment too. There it " +
  "served health checks alone; here it goes out with requests that bring no key";
const LOCAL_NOTE = "was published to the host itself alone; listeners listen on all addresses. Publish it so again, " +
  "or write 127.0.0.1 where no container stands between";
/** What is said of these is about a cache that is on. */
const OF_THE_CACHE = /^(?:MEMORY|DISK)_CACHE_|^CACHE_(?:DIR|MAX_SIZE)$/;
const TYPES: readonly SeedType[] = ["tmdb-api", "tmdb-image", "custom"];

/** Reads what a service of the seed was told. What is unusable is left out and said to `warnings`, with its place. */
export function readSeedSettings(service: ServiceEnvironment, warnings: Located[]): SeedSettings {
  const reader = new SettingReader(service, warnings);
  reader.noteNames();
  const type = reader.type();
  return {
    service: service.name,
    type,
    port: reader.port(),
    workers: reader.number("NUM_WORKERS", { min: 1, max: 256, isWhole: true }),
    upstreams: reader.upstreams(),
    apiKey: reader.apiKey(type.value),
    testTarget: reader.testTarget(type.value),
    isCacheOff: reader.isCacheOff(),
    memoryEntries: reader.number("MEMORY_CACHE_SIZE", { min: 0, max: MAX_ENTRIES, isWhole: true }),
    diskEntries: reader.number("CACHE_MAX_SIZE", { min: 0, max: MAX_ENTRIES, isWhole: true }),
    memoryTtlMs: reader.milliseconds("MEMORY_CACHE_TTL", { min: 0, max: MAX_TTL_MS }),
    diskTtlMs: reader.milliseconds("DISK_CACHE_TTL", { min: 0, max: MAX_TTL_MS }),
    requestTimeoutMs: reader.milliseconds("REQUEST_TIMEOUT", { min: 1, max: HOUR_MS }),
    unhealthyMs: reader.milliseconds("UNHEALTHY_TIMEOUT", { min: 100, max: DAY_MS }),
    maxErrors: reader.number("MAX_ERRORS_BEFORE_UNHEALTHY", { min: 1, max: 10_000, isWhole: true }),
    checkIntervalMs: reader.milliseconds("HEALTH_CHECK_INTERVAL", { min: 10, max: DAY_MS }),
    baseMultiplier: reader.number("BASE_WEIGHT_MULTIPLIER", { min: 0.001, max: 1000 }),
    dynamicMultiplier: reader.number("DYNAMIC_WEIGHT_MULTIPLIER", { min: 0.001, max: 1000 }),
    alphaInitial: reader.number("ALPHA_INITIAL", { min: 0, max: 1 }),
    alphaStep: reader.number("ALPHA_ADJUSTMENT_STEP", { min: 0, max: 1 }),
    attempts: reader.number("MAX_SERVER_SWITCHES", { min: 1, max: 20, isWhole: true }),
  };
}

interface Limits {
  readonly min: number;
  readonly max: number;
  readonly isWhole?: boolean;
}

class SettingReader {
  readonly #service: ServiceEnvironment;
  readonly #warnings: Located[];

  constructor(service: ServiceEnvironment, warnings: Located[]) {
    this.#service = service;
    this.#warnings = warnings;
  }

  /** Says of each variable what is worth knowing, and of names that look like one what was meant. */
  noteNames(): void {
    const notes = new Map(seedVariables.map(({ name, note }) => [name, note]));
    // Short names are near to many others.
    const candidates = [...notes.keys()].filter((name) => name.length > 6);
    const isCacheOff = this.#given("CACHE_ENABLED")?.value.trim() === "false";
    for (const [name, { value }] of this.#service.variables) {
      const note = notes.get(name) ?? (value === "" ? null : formerVariables[name] ?? null);
      if (note !== null && !(isCacheOff && OF_THE_CACHE.test(name))) this.#warn(name, note);
      if (notes.has(name) || name in formerVariables || name.length < 7) continue;
      const near = nearest(name, candidates);
      if (near !== null) this.#warn(name, `is not read by anything; did you mean ${near}?`);
    }
  }

  type(): Setting<SeedType> {
    const given = this.#given("UPSTREAM_TYPE");
    if (given === null) return { value: "tmdb-api", origin: "the default of UPSTREAM_TYPE" };
    const known = TYPES.find((type) => type === given.value.trim());
    if (known !== undefined) return { value: known, origin: `UPSTREAM_TYPE=${known}` };
    const near = (nearest(given.value, TYPES) ?? "custom") as SeedType;
    this.#unusable("UPSTREAM_TYPE", `tmdb-api, tmdb-image or custom: taken as ${near}`);
    return { value: near, origin: "UPSTREAM_TYPE, as far as it can be read" };
  }

  /** The port that clients know: where Compose publishes it, the published one. */
  port(): Setting<number> | null {
    const inside = this.number("PORT", { min: 1, max: 65_535, isWhole: true });
    const outside = this.#service.published.get(inside?.value ?? 6635);
    if (outside !== undefined && this.#service.localPorts.has(outside)) this.#warn("PORT", LOCAL_NOTE);
    if (outside === undefined || outside === inside?.value || outside < 1 || outside > 65_535) return inside;
    return { value: outside, origin: `${inside?.origin ?? "PORT"}, published as ${outside}` };
  }

  number(name: string, { min, max, isWhole = false }: Limits): Setting<number> | null {
    const given = this.#given(name);
    if (given === null) return null;
    const text = given.value.trim();
    const value = /^[+-]?(?:\d{1,15}(?:\.\d{0,15})?|\.\d{1,15})$/.test(text) ? Number(text) : NaN;
    const expected = `a${isWhole ? " whole" : ""} number from ${min} to ${max}`;
    if (!Number.isFinite(value) || (isWhole && !Number.isInteger(value))) {
      this.#unusable(name, `${expected}: left out`);
      return null;
    }
    const within = Math.min(max, Math.max(min, value));
    if (within !== value) this.#unusable(name, `${expected}: taken as ${within}`);
    return { value: within, origin: `${name}=${text}` };
  }

  milliseconds(name: string, limits: Limits): Setting<number> | null {
    const setting = this.number(name, { ...limits, isWhole: true });
    if (setting !== null && setting.value > 0 && setting.value < 1000) {
      this.#warn(name, `is read as ${setting.value} milliseconds; some versions of it counted minutes: look it over`);
    }
    return setting;
  }

  upstreams(): Setting<readonly string[]> | null {
    const given = this.#given("UPSTREAM_SERVERS");
    if (given === null) return null;
    const urls: string[] = [];
    for (const [index, item] of given.value.split(",").slice(0, 1000).entries()) {
      const url = this.#upstream(item.trim(), index + 1);
      if (url === null) continue;
      if (urls.includes(url)) this.#warn("UPSTREAM_SERVERS", `names ${url} twice: once is enough`);
      else urls.push(url);
    }
    return urls.length === 0 ? null : { value: urls, origin: "UPSTREAM_SERVERS" };
  }

  apiKey(type: SeedType): SeedSettings["apiKey"] {
    const given = this.#service.variables.get("TMDB_API_KEY");
    if (given === undefined) return null;
    if (type !== "tmdb-api") {
      this.#warn("TMDB_API_KEY", `is of no use to upstreams of type ${type}: left out`);
      return null;
    }
    const text = cleanApiKey(given.value);
    const isUsable = text === "" || upstreamTypes.traits("tmdb-api")!.keyForm!.isKey(text);
    if (!isUsable) {
      const expected = "32 hex digits or a read access token (three parts with dots)";
      this.#warn("TMDB_API_KEY", `found a text that is no key expected ${expected}: api_keys is switched off`);
    } else {
      this.#warn("TMDB_API_KEY", KEY_NOTE);
    }
    return { text, isUsable };
  }

  /** The path of the image that checks ask for; a whole URL gives its path. A query may hold a key, and no image needs one. */
  testTarget(type: SeedType): Setting<string> | null {
    const given = this.#given("TMDB_IMAGE_TEST_URL");
    if (given === null) return null;
    const name = "TMDB_IMAGE_TEST_URL";
    if (type !== "tmdb-image") {
      this.#warn(name, `had no effect there with UPSTREAM_TYPE=${type}: left out`);
      return null;
    }
    const text = given.value.trim();
    const url = /^https?:\/\//i.test(text) ? URL.parse(text) : null;
    const target = url === null ? text.replace(/\?.*$/su, "") : url.pathname;
    if (!/^\/[^\s#\p{Cc}]{0,1999}$/u.test(target)) {
      // It is not shown: it may hold a password.
      this.#warn(name, "found something else expected a path such as /t/p/w92/name.jpg: left out");
      return null;
    }
    if (url !== null) this.#warn(name, "is a whole URL: each upstream is asked for its path");
    else if (target !== text) this.#warn(name, "has a query: upstreams are asked without it");
    return { value: target, origin: name };
  }

  isCacheOff(): Setting<true> | null {
    const given = this.#given("CACHE_ENABLED");
    const text = given?.value.trim();
    if (text === "false") return { value: true, origin: "CACHE_ENABLED=false" };
    if (text !== undefined && /^(?:0|no|off|false)$/i.test(text)) {
      this.#unusable("CACHE_ENABLED", "true or false; nothing but `false` turned the cache off there: it stays on");
    }
    return null;
  }

  #upstream(item: string, place: number): string | null {
    if (item === "") return null;
    const isHost = /^[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9-]+)*(?::\d{1,5})?$/.test(item);
    const parsed = parseUpstreamUrl(isHost ? `https://${item}` : item);
    if ("url" in parsed) {
      if (isHost) this.#warn("UPSTREAM_SERVERS", `names ${parsed.url.slice(8)} without a scheme: taken as https`);
      return parsed.url;
    }
    // The item is not shown: it may hold a password.
    this.#warn("UPSTREAM_SERVERS", `found something else in place ${place} expected ${parsed.expected}: left out`);
    return null;
  }

  /** A value that is not empty. */
  #given(name: string): PlacedValue | null {
    const found = this.#service.variables.get(name);
    return found === undefined || found.value.trim() === "" ? null : found;
  }

  #unusable(name: string, expected: string): void {
    const value = this.#given(name)?.value ?? "";
    const shown = value.length > 40 ? `${value.slice(0, 40)}…` : value;
    this.#warn(name, `found ${JSON.stringify(shown)} expected ${expected}`);
  }

  #warn(name: string, message: string): void {
    const { file, line, column } = this.#service.variables.get(name) ?? { file: "", line: 0, column: 0 };
    this.#warnings.push({ file, line, column, path: name, message });
  }
}
