import { kvFile } from "../chaos/chaos_gateway.ts";
import type { ChaosGateway } from "../chaos/chaos_gateway.ts";
import { readExposition } from "../metrics/exposition_text.ts";

/** What is watched, with how much it may grow: by a share of its mean, or by a little. */
export const FIGURES = {
  residentMiB: { name: "resident memory, MiB", share: 0.1, least: 24 },
  heapMiB: { name: "heaps of all workers, MiB", share: 0.15, least: 16 },
  descriptors: { name: "descriptors", share: 0.1, least: 10 },
  clients: { name: "connections of clients", share: 0.1, least: 5 },
  upstreams: { name: "connections to upstreams", share: 0.1, least: 10 },
  kvMiB: { name: "KV file and its log, MiB", share: 0.1, least: 4 },
  entries: { name: "responses in memory", share: 0.15, least: 100 },
} as const;

/** The key of one of {@linkcode FIGURES}. */
export type FigureName = keyof typeof FIGURES;

/** All figures at a time. */
export type Figures = Readonly<Record<FigureName, number>>;

const MIB = 1024 * 1024;

/** Reads what a gateway tells of itself, and what the system tells of its process. @throws {Error} when it does not answer */
export async function readFigures(gateway: ChaosGateway, dataDir: string): Promise<Figures> {
  const told = await gateway.admin("/metrics");
  if (told === null) throw new Error("The gateway does not tell its figures");
  const { samples } = readExposition(told.text);
  const sum = (name: string, labels: Readonly<Record<string, string>> = {}) =>
    samples.filter((one) =>
      one.name === name && Object.entries(labels).every(([label, value]) => one.labels[label] === value)
    ).reduce((total, { value }) => total + value, 0);
  const { residentMiB, descriptors } = await processFigures(gateway.pid);
  return {
    residentMiB,
    heapMiB: sum("usher_worker_heap_bytes") / MIB,
    descriptors,
    clients: sum("usher_connections"),
    upstreams: sum("usher_worker_upstream_connections"),
    kvMiB: (sizeOf(kvFile(dataDir)) + sizeOf(`${kvFile(dataDir)}-wal`)) / MIB,
    entries: sum("usher_cache_entries", { tier: "memory" }),
  };
}

/** Reads them by a shell: the runtime lets nobody look into `/proc` who may not do everything. */
async function processFigures(pid: number): Promise<Pick<Figures, "residentMiB" | "descriptors">> {
  const script = `grep VmRSS /proc/${pid}/status && ls /proc/${pid}/fd | wc -l`;
  const { stdout } = await new Deno.Command("/bin/sh", { args: ["-c", script] }).output();
  const [, kib, descriptors] = /VmRSS:\s+(\d+) kB\n\s*(\d+)/.exec(new TextDecoder().decode(stdout)) ?? [];
  if (descriptors === undefined) throw new Error(`There is no process ${pid}`);
  return { residentMiB: Number(kib) / 1024, descriptors: Number(descriptors) };
}

function sizeOf(path: string): number {
  try {
    return Deno.statSync(path).size;
  } catch {
    return 0;
  }
}
