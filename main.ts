/**
 * The command line, and the module that every worker starts from: a worker is told its role by its name.
 *
 * @module
 */

/** Set in a worker only. */
const workerName = "WorkerGlobalScope" in globalThis ? (globalThis as { readonly name?: string }).name : undefined;

if (workerName === "health") {
  const { runHealthWorker } = await import("./lib/workers/worker/health_worker.ts");
  runHealthWorker();
} else if (workerName === "image") {
  const { runImageWorker } = await import("./lib/workers/worker/image_worker.ts");
  runImageWorker();
} else if (workerName !== undefined) {
  const [{ runServingWorker }, { handle }] = await Promise.all([
    import("./lib/workers/worker/serving_worker.ts"),
    import("./lib/pipeline/pipeline.ts"),
  ]);
  runServingWorker(handle);
} else if (import.meta.main) {
  Deno.exit(await checkHealth() ?? await runCommand());
}

/** A container's health check, without all that the other commands need; `null` where something else is asked. */
async function checkHealth(): Promise<number | null> {
  if (Deno.args[0] !== "health") return null;
  const { health, plainHealthFlags } = await import("./routes/commands/health.ts");
  const flags = plainHealthFlags(Deno.args.slice(1));
  return flags === null || Deno.stdin.isTerminal() ? null : await health(flags);
}

async function runCommand(): Promise<number> {
  const { commandLine } = await import("./routes/command_line.ts");
  return await commandLine(Deno.args, new URL(import.meta.url));
}
