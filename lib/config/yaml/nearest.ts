/** Edits (insert, delete, replace, swap of neighbours) that turn `a` into `b`: Damerau's distance, restricted. */
function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (last[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swap = a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? (before[j - 2] ?? Infinity) + 1 : Infinity;
      row.push(Math.min(change, swap, (last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1));
    }
    before = last;
    last = row;
  }
  return last[b.length] ?? 0;
}

/** Case and the kind of word separator are not what people mean to say. */
function plain(name: string): string {
  return name.toLowerCase().replaceAll(/[-_ ]/g, "");
}

/**
 * The one of `known` that was most likely meant by `name`, or `null` where none is near: at most one edit in three letters,
 * two at least.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { nearest } from "./nearest.ts";
 *
 * assert.equal(nearest("prefx", ["pool", "prefix"]), "prefix");
 * assert.equal(nearest("stripPrefix", ["strip_prefix"]), "strip_prefix");
 * assert.equal(nearest("colour", ["pool", "prefix"]), null);
 * ```
 */
export function nearest(name: string, known: readonly string[]): string | null {
  const wanted = plain(name.slice(0, 64));
  let best: string | null = null;
  let bestDistance = Infinity;
  for (const candidate of known) {
    const distance = editDistance(wanted, plain(candidate));
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  const allowed = Math.min(Math.max(2, Math.floor(wanted.length / 3)), Math.max(0, wanted.length - 1));
  return bestDistance <= allowed ? best : null;
}
