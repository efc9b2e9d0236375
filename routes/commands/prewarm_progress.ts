import { pause } from "../../lib/clock.ts";
import { askAdmin, refusalOf } from "./admin_client.ts";
import type { AdminAccess } from "./running_gateway.ts";
import { fail, isOutputCut, print } from "./terminal.ts";
import { harmless } from "./text_layout.ts";

/** A prewarm as the admin surface shows it. */
interface Shown {
  readonly listener: string;
  readonly state: string;
  readonly total: number;
  readonly done: number;
  readonly fetched: number;
  readonly fresh: number;
  readonly skipped: number;
  readonly failed: number;
  readonly pictures: Readonly<Record<"fetched" | "fresh" | "skipped" | "failed", number>>;
  readonly bytes: number;
  readonly rate: number;
  readonly eta_seconds: number | null;
  readonly last_problem: string | null;
}

/** How fast a prewarm may go; as configured where nothing is said. */
export interface PrewarmLimits {
  readonly concurrency: number | undefined;
  readonly rate: number | undefined;
}

/** Whose pictures are fetched with the documents that name them, and by which listener. */
export interface PictureOrder {
  readonly listener: string;
  readonly clients: readonly string[];
}

/** The body of an order; without paths, those of the configuration. */
interface Order extends PrewarmLimits {
  readonly listener: string;
  readonly paths: readonly string[] | undefined;
  readonly pictures?: PictureOrder | undefined;
}

/** How it ended, as far as was seen. */
interface Ended {
  /** The exit status. */
  readonly code: number;
  readonly state: "done" | "stopped" | "unseen" | "unknown";
}

const POLL_MS = 500;

/** Orders a prewarm and says so, or why it was refused; answers whether it has begun. @throws {Error} where no gateway answers */
export async function begin(access: AdminAccess, order: Order): Promise<boolean> {
  const reply = await askAdmin(access, "POST /jobs/prewarm", order);
  if (!reply.ok) {
    fail(refusalOf(reply));
    return false;
  }
  const { total } = reply.value as { readonly total: number };
  print(`Prewarming ${total} path${total === 1 ? "" : "s"} of listener ${order.listener}`);
  return true;
}

/** Prints a line whenever a prewarm has come further, until it has ended. @throws {Error} where no gateway answers */
export async function follow(access: AdminAccess, listener: string): Promise<Ended> {
  let told = "";
  for (;;) {
    const reply = await askAdmin(access, "GET /jobs");
    const { prewarms = [] } = reply.value as { readonly prewarms?: readonly Shown[] };
    const shown = prewarms.find((one) => one.listener === listener);
    if (shown === undefined) return { code: fail(refusalOf(reply)), state: "unknown" };
    const line = lineOf(shown);
    if (line !== told) print(told = line);
    if (isOutputCut()) return { code: 0, state: "unseen" };
    if (shown.state === "done") return { code: shown.failed + shown.pictures.failed === 0 ? 0 : 1, state: "done" };
    if (shown.state === "stopped") return { code: 1, state: "stopped" };
    await pause(POLL_MS);
  }
}

function lineOf(shown: Shown): string {
  const { state, done, total, fetched, fresh, skipped, failed, bytes, rate, eta_seconds: eta, last_problem } = shown;
  const got = shown.pictures.fetched + shown.pictures.fresh;
  const missed = shown.pictures.skipped + shown.pictures.failed;
  const pictures = got + missed === 0 ? "" : `, ${got} pictures${missed === 0 ? "" : ` and ${missed} without success`}`;
  const problem = skipped + failed + missed > 0 && last_problem !== null ? ` (last: ${harmless(last_problem)})` : "";
  const pace = eta == null ? "" : `, ${rate} a second, ${eta} s to go`;
  return `${state}: ${done} of ${total}, ${fetched} fetched, ${fresh} fresh, ${skipped} skipped, ${failed} failed` +
    `${pictures}, ${(bytes / 1024 / 1024).toFixed(1)} MiB${pace}${problem}`;
}
