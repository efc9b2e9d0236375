/** From the least to the most important. */
export const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;

/** One of {@linkcode LOG_LEVELS}. */
export type LogLevel = typeof LOG_LEVELS[number];

/**
 * Subjects that lines are about, each with a level of its own where that is set: the process and its workers; configuration and reloads;
 * requests of clients; upstreams, their health and keys; stored responses, purges and prewarming; certificates; peers and operators.
 */
export const LOG_AREAS = ["process", "config", "request", "upstream", "cache", "tls", "admin"] as const;

/** One of {@linkcode LOG_AREAS}. */
export type LogArea = typeof LOG_AREAS[number];

/** Levels of some areas. */
export type AreaLevels = Readonly<Partial<Record<LogArea, LogLevel>>>;

/** The level of all areas, and those that have another. */
export interface LevelSettings {
  readonly level: LogLevel;
  readonly levels?: AreaLevels;
}

/** Levels in place of those that are configured; what is absent stays. */
export interface LevelOverride {
  readonly level?: LogLevel;
  readonly levels?: AreaLevels;
}

/** Importance of a level, as a number that grows with it. */
export const LEVEL_RANK: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3 };

/**
 * The level of every area. An area's own level comes before that of all, and what overrides before what is configured.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { levelsInForce } from "./log_levels.ts";
 * const settings = { level: "info", levels: { upstream: "debug" } } as const;
 * assert.equal(levelsInForce(settings, null).upstream, "debug");
 * assert.equal(levelsInForce(settings, { level: "error" }).upstream, "error");
 * assert.equal(levelsInForce(settings, { levels: { cache: "warn" } }).upstream, "debug");
 * ```
 */
export function levelsInForce(settings: LevelSettings, override: LevelOverride | null): Record<LogArea, LogLevel> {
  const levelOf = (area: LogArea) =>
    override?.levels?.[area] ?? override?.level ?? settings.levels?.[area] ?? settings.level;
  return Object.fromEntries(LOG_AREAS.map((area) => [area, levelOf(area)])) as Record<LogArea, LogLevel>;
}
