/** A variable that the seed system's README documents: what it was there, and what becomes of it. */
export interface SeedVariable {
  readonly name: string;
  /** Its value in that README's example; times are milliseconds, sizes numbers of entries. */
  readonly usual: string;
  /** The key of the configuration that it becomes; `null` where none corresponds. */
  readonly key: string | null;
  /** What its user should know: that it did nothing there, that it is something else here, that it is gone. */
  readonly note: string | null;
}

const GONE = "has no counterpart:";
const IDLE = "had no effect there:";

/** Every variable of the seed, in the order of its README. */
export const seedVariables: readonly SeedVariable[] = [
  { name: "PORT", usual: "6635", key: "listeners[].listen", note: null },
  {
    name: "NUM_WORKERS",
    usual: "4",
    key: "server.workers",
    note: `${IDLE} it always ran one worker less than there are cores`,
  },
  { name: "TZ", usual: "Asia/Shanghai", key: null, note: `${GONE} times in the log are in UTC` },
  { name: "UPSTREAM_TYPE", usual: "tmdb-api", key: "pools.<name>.type", note: null },
  {
    name: "TMDB_API_KEY",
    usual: "",
    key: "pools.<name>.api_keys",
    note: null,
  },
  { name: "TMDB_IMAGE_TEST_URL", usual: "/t/p/original/….png", key: "pools.<name>.health.path", note: null },
  { name: "UPSTREAM_SERVERS", usual: "https://…,https://…", key: "pools.<name>.upstreams", note: null },
  {
    name: "CACHE_DIR",
    usual: "/app/cache",
    key: null,
    note: `${GONE} what it holds cannot be read here and may be deleted. The gateway keeps its own data in ` +
      "server.data_dir, where Deno has to be allowed to write",
  },
  {
    name: "CACHE_MAX_SIZE",
    usual: "1000",
    key: "cache.disk",
    note: "counted entries, and was not kept to; here it is bytes, so this is an estimate: look it over",
  },
  { name: "CACHE_ENABLED", usual: "true", key: "listeners[].cache.mode", note: null },
  {
    name: "MEMORY_CACHE_SIZE",
    usual: "1000",
    key: "cache.memory",
    note: "counted entries; here it is bytes, in each worker, so this is an estimate: look it over",
  },
  {
    name: "MEMORY_CACHE_TTL",
    usual: "3600000",
    key: "listeners[].cache.rules[].ttl",
    note:
      "is one with DISK_CACHE_TTL here: a response is as fresh in memory as on disk. The longer one counts, as it did there",
  },
  {
    name: "MEMORY_CACHE_CLEANUP_INTERVAL",
    usual: "60000",
    key: null,
    note: `${GONE} what has expired is removed in small steps all the time`,
  },
  { name: "DISK_CACHE_TTL", usual: "86400000", key: "listeners[].cache.rules[].ttl", note: null },
  {
    name: "DISK_CACHE_CLEANUP_INTERVAL",
    usual: "3600000",
    key: null,
    note: `${GONE} what has expired is removed in small steps all the time`,
  },
  { name: "REQUEST_TIMEOUT", usual: "5000", key: "pools.<name>.timeouts.first_byte", note: null },
  {
    name: "UNHEALTHY_TIMEOUT",
    usual: "663500",
    key: "pools.<name>.outliers.ejection_time",
    note: `${IDLE} an upstream was out for a fixed time. Here it is the first ejection, and good checks end it sooner`,
  },
  {
    name: "MAX_ERRORS_BEFORE_UNHEALTHY",
    usual: "3",
    key: "pools.<name>.health.max_failures",
    note: `${IDLE} it was always 3, and a 404 counted as a failure. Here only failures of the upstream count`,
  },
  {
    name: "HEALTH_CHECK_INTERVAL",
    usual: "66350",
    key: "pools.<name>.health.interval",
    note: `${IDLE} checks ran every 30 seconds`,
  },
  {
    name: "BASE_WEIGHT_MULTIPLIER",
    usual: "20",
    key: "pools.<name>.weights.base_weight_multiplier",
    note:
      "hardly had an effect there: weights ended at 100. Here only its proportion to DYNAMIC_WEIGHT_MULTIPLIER counts",
  },
  {
    name: "DYNAMIC_WEIGHT_MULTIPLIER",
    usual: "50",
    key: "pools.<name>.weights.dynamic_weight_multiplier",
    note: "hardly had an effect there: weights ended at 100. Here only its proportion to BASE_WEIGHT_MULTIPLIER counts",
  },
  {
    name: "ALPHA_INITIAL",
    usual: "0.5",
    key: "pools.<name>.weights.alpha_initial",
    note: `${IDLE} weights were mixed 7 : 3, whatever it said`,
  },
  {
    name: "ALPHA_ADJUSTMENT_STEP",
    usual: "0.1",
    key: "pools.<name>.weights.alpha_adjustment_step",
    note: `${IDLE} weights were mixed 7 : 3, whatever it said. Here it is the step of one second`,
  },
  {
    name: "MAX_SERVER_SWITCHES",
    usual: "3",
    key: "pools.<name>.retry.attempts",
    note: "did not switch there: each try could go to the same dead upstream. Here it is the tries at most, " +
      "each at another upstream",
  },
];

/** Names that other versions of it knew, and what to do about them. */
export const formerVariables: Readonly<Record<string, string>> = {
  CACHE_TTL: "is of another version of it: say DISK_CACHE_TTL, or write a rule with a ttl",
  CUSTOM_CONTENT_TYPE: "is of another version of it: see pools.<name>.content_types",
  HTTP_PROXY:
    "is not read by the gateway: where upstreams are to be reached through a proxy, say proxy: at each of them",
  HTTPS_PROXY:
    "is not read by the gateway: where upstreams are to be reached through a proxy, say proxy: at each of them",
};

/** Variables that no other program is likely to have: they tell a service of the seed from its neighbours. */
export const tellingVariables: readonly string[] = [
  ...["UPSTREAM_TYPE", "UPSTREAM_SERVERS", "TMDB_IMAGE_TEST_URL", "MAX_SERVER_SWITCHES"],
];
