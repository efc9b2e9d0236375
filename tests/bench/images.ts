/**
 * What converting pictures costs on this machine: time, sizes and memory for pictures as TMDB has them, one at a time, with the
 * default settings: `deno run --allow-read --allow-env --allow-ffi tests/bench/images.ts`.
 */
import { loadSharpCodec } from "../../lib/image/sharp_codec.ts";
import type { Recipe } from "../../lib/image/conversion.ts";
import { photograph } from "../image/pictures.ts";

const SIZES: ReadonlyArray<readonly [name: string, width: number, height: number]> = [
  ["w342", 342, 513],
  ["w500", 500, 750],
  ["w780", 780, 1170],
  ["poster, original", 2000, 3000],
  ["backdrop, original", 3840, 2160],
];
const RECIPES: Readonly<Record<string, Recipe>> = {
  AVIF: { format: "avif", quality: 55, effort: 2 },
  WebP: { format: "webp", quality: 80, effort: 4 },
  "w342 of it": { format: "jpeg", quality: 85, effort: 0, fit: { width: 342 } },
};
const LIMITS = { maxPixels: 100_000_000, timeoutMs: 600_000 };
const ROUNDS = 3;

const codec = await loadSharpCodec();
const lines = ["| picture | JPEG | to | result | time | memory |", "| --- | --: | --- | --: | --: | --: |"];
for (const [name, width, height] of SIZES) {
  const body = await photograph(width, height);
  for (const [to, recipe] of Object.entries(RECIPES)) {
    const runs = [];
    for (let round = 0; round < ROUNDS; round++) runs.push(await measure(body, recipe));
    const [run] = runs.toSorted((a, b) => a.ms - b.ms);
    const { kind, bytes, ms } = run!;
    const moreMiB = Math.max(...runs.map(({ memory }) => memory)) / 2 ** 20;
    const result = kind === "done" ? `${kib(bytes)} (${Math.round(bytes / body.byteLength * 100)} %)` : kind;
    lines.push(
      `| ${name}, ${width} × ${height} | ${kib(body.byteLength)} | ${to} | ${result} | ${Math.round(ms)} ms | + ${
        Math.round(moreMiB)
      } MiB |`,
    );
  }
}
await Deno.stdout.write(new TextEncoder().encode(lines.join("\n") + "\n"));

function kib(bytes: number): string {
  return `${Math.round(bytes / 1024)} KiB`;
}

/** One conversion, and how much larger the process got at most while it ran. */
async function measure(body: Uint8Array<ArrayBuffer>, recipe: Recipe) {
  const before = Deno.memoryUsage().rss;
  let most = before;
  const watch = setInterval(() => most = Math.max(most, Deno.memoryUsage().rss), 5);
  const startMs = performance.now();
  const conversion = await codec.convert(body, recipe, LIMITS);
  const ms = performance.now() - startMs;
  clearInterval(watch);
  most = Math.max(most, Deno.memoryUsage().rss);
  const bytes = conversion.kind === "done" ? conversion.body.byteLength : 0;
  return { kind: conversion.kind, bytes, ms, memory: most - before };
}
