/**
 * Usher on a machine whose clock is wrong: by `USHER_TEST_SKEW_MS` milliseconds, in the main thread and in every worker.
 *
 * @module
 */

const isWorker = "WorkerGlobalScope" in globalThis;
const own = new URL(import.meta.url);
// Workers may not read the environment: the module that they start from tells them.
if (!isWorker) own.searchParams.set("skew", Deno.env.get("USHER_TEST_SKEW_MS") ?? "0");
const skewMs = Number(own.searchParams.get("skew"));
const RightDate = Date;

class WrongDate extends RightDate {
  constructor(...given: unknown[]) {
    super(...(given.length === 0 ? [RightDate.now() + skewMs] : given) as [number]);
  }

  static override now(): number {
    return RightDate.now() + skewMs;
  }
}

globalThis.Date = WrongDate as DateConstructor;

// In a worker this does all: it is told its role by its name.
await import("../../main.ts");
if (!isWorker) {
  const { commandLine } = await import("../../routes/command_line.ts");
  Deno.exit(await commandLine(Deno.args, own));
}
