import { parseArgs } from "node:util";
import { ADMIN_OPTIONS, adminAccess, askAdmin, refusalOf } from "./admin_client.ts";
import { fail, print } from "./terminal.ts";

/** As the admin surface answers a purge. */
interface PurgeReply {
  readonly soft: boolean;
  readonly listeners: readonly string[] | null;
  readonly workers: number;
  readonly persisted: boolean;
  readonly duration_ms: number;
}

/** `usher purge`: has the running gateway purge stored responses, and prints what happened. */
export async function purgeCommand(args: readonly string[]): Promise<number> {
  try {
    const { values: { admin, token, config, ...order } } = parseArgs({
      args: [...args],
      options: {
        ...ADMIN_OPTIONS,
        url: { type: "string" },
        prefix: { type: "string" },
        glob: { type: "string" },
        tag: { type: "string" },
        listener: { type: "string" },
        all: { type: "boolean" },
        hard: { type: "boolean" },
      },
    });
    const reply = await askAdmin(await adminAccess({ admin, token, config }), "POST /purge", order);
    return reply.ok ? print(story(order, reply.value as PurgeReply)) : fail(refusalOf(reply));
  } catch (error) {
    return fail(error instanceof Error ? error.message : String(error));
  }
}

function story(order: Readonly<Record<string, unknown>>, reply: PurgeReply): string {
  const named = ["url", "prefix", "glob", "tag"].flatMap((kind) =>
    order[kind] === undefined ? [] : `${kind} ${order[kind]}`
  );
  const what = named[0] ?? "everything";
  const where = reply.listeners === null ? "all listeners" : `listener ${reply.listeners.join(", ")}`;
  const how = reply.soft ? "stale: validated at the next use" : "removed";
  const kept = reply.persisted ? "" : "\nIt was not written down: it ends with the gateway's process";
  return `Purged ${what} of ${where} (${how}) in ${reply.workers} worker${reply.workers === 1 ? "" : "s"}, ` +
    `${reply.duration_ms} ms${kept}`;
}
