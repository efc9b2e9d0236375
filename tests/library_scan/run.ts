/**
 * `deno task library-scan`: two clients scan a library of twenty titles through a cold and a warm gateway against the demo's
 * origin. Prints what came to the origin, and writes it into docs/library-scan.md.
 */
import { scanTwice } from "./library_scan.ts";
import { scanWithMoviedbPromise } from "./moviedb_scan.ts";
import { scanTable, writeTable } from "./report.ts";
import type { Scan } from "./scanned.ts";
import { scanWithTmdbsimple, tmdbsimpleProblem } from "./tmdbsimple_scan.ts";

await report("moviedb-promise", scanWithMoviedbPromise);
const problem = await tmdbsimpleProblem();
if (problem === null) await report("tmdbsimple", scanWithTmdbsimple);
else await print(`tmdbsimple: left out, ${problem}`);

async function report(client: string, scan: Scan): Promise<void> {
  const table = scanTable(await scanTwice(scan));
  await writeTable(client, table);
  await print(`${client}\n\n${table}\n`);
}

async function print(text: string): Promise<void> {
  await Deno.stdout.write(new TextEncoder().encode(`${text}\n`));
}
