import type { ChangeAsk, ChangePage, ChangeSource } from "./type_traits.ts";

/** TMDB sends 100 ids a page. */
const MAX_IDS = 1_000;
/** The largest that 32 bits hold, and a thousand times what TMDB has come to. */
const MAX_ID = 0xffff_ffff;
const DAY_MS = 24 * 3_600_000;

/** TMDB's lists of changed movies, series and people: by day, of the last 14 days. */
export const tmdbChanges: ChangeSource = {
  kinds: ["movie", "tv", "person"],
  // One less than TMDB allows: a range has to end on the day after.
  reachDays: 13,
  target,
  read,
  tag: (kind, id) => `${kind}:${id}`,
};

/** It is not told whether the last day of a range is part of it, so a range ends a day later; none ends in the future. */
function target({ kind, day, isToday, page }: ChangeAsk): string {
  const end = isToday ? "" : `&end_date=${dayAfter(day)}`;
  return `/3/${kind}/changes?start_date=${day}${end}&page=${page}`;
}

function dayAfter(day: string): string {
  return new Date(Date.parse(`${day}T00:00:00Z`) + DAY_MS).toISOString().slice(0, 10);
}

function read(body: Uint8Array): ChangePage | null {
  const page = parsed(body);
  if (typeof page !== "object" || page === null) return null;
  const { results, total_pages } = page as Readonly<Record<string, unknown>>;
  if (!Array.isArray(results)) return null;
  const pages = Number.isSafeInteger(total_pages) ? Math.max(1, total_pages as number) : 1;
  return { ids: results.slice(0, MAX_IDS).flatMap(idOf), pages };
}

function parsed(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
  } catch {
    return null;
  }
}

function idOf(result: unknown): number[] {
  const id = typeof result === "object" && result !== null ? (result as Readonly<Record<string, unknown>>)["id"] : null;
  return typeof id === "number" && Number.isInteger(id) && id > 0 && id <= MAX_ID ? [id] : [];
}
