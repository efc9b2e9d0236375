import { ADMIN_OPTIONS, adminAccess, askAdmin, refusalOf } from "./admin_client.ts";
import { type Command, failed, Misuse, readArguments } from "./command.ts";
import { fail, print } from "./terminal.ts";

/** As the admin surface answers a purge. */
interface PurgeReply {
  readonly soft: boolean;
  readonly listeners: readonly string[] | null;
  readonly workers: number;
  readonly matched: number | null;
  readonly persisted: boolean;
  readonly duration_ms: number;
}

const USAGE = `usage: usher purge WHAT [--hard] [--config FILE | --admin URL] [--token T]

  Removes stored responses of the running gateway, or marks them stale. Exits with 0 when that is done, else with 1.

  WHAT is one of these, and --listener may stand beside another one:
  --url U        a URL or a path, as clients send it
  --prefix P     paths that begin so
  --glob G       paths that match: * within a segment, ** across
  --tag T        responses with the tag
  --listener L   everything of a listener
  --all          everything

  --hard              remove: without it they are stale, and validated at their next use
  --config, -c FILE   the configuration of the gateway, which says where it is and its token; - is standard input
  --admin URL         where its admin address is instead, such as http://127.0.0.1:6636
  --token T           its token, also USHER_ADMIN_TOKEN
`;

const SELECTORS = ["url", "prefix", "glob", "tag", "listener", "all"] as const;

/** `usher purge`: has the running gateway purge stored responses, and prints what happened. */
export const purgeCommand: Command = {
  summary: "remove stored responses of the running gateway, or mark them stale",
  usage: USAGE,
  async run(args) {
    const { values: { admin, token, config, ...order } } = readArguments(args, {
      ...ADMIN_OPTIONS,
      url: { type: "string" },
      prefix: { type: "string" },
      glob: { type: "string" },
      tag: { type: "string" },
      listener: { type: "string" },
      all: { type: "boolean" },
      hard: { type: "boolean" },
    });
    if (SELECTORS.every((name) => order[name] === undefined)) {
      throw new Misuse(`Say what to purge: give one of ${SELECTORS.map((name) => `--${name}`).join(", ")}`);
    }
    try {
      const reply = await askAdmin(await adminAccess({ admin, token, config }), "POST /purge", order);
      return reply.ok ? print(story(order, reply.value as PurgeReply)) : fail(refusalOf(reply));
    } catch (error) {
      return failed(error);
    }
  },
};

function story(order: Readonly<Record<string, unknown>>, reply: PurgeReply): string {
  const named = ["url", "prefix", "glob", "tag"].flatMap((kind) =>
    order[kind] === undefined ? [] : `${kind} ${order[kind]}`
  );
  const what = named[0] ?? "everything";
  const where = reply.listeners === null ? "all listeners" : `listener ${reply.listeners.join(", ")}`;
  const how = reply.soft ? "stale: validated at the next use" : "removed";
  const matched = reply.matched === null
    ? ""
    : `; ${reply.matched} response${reply.matched === 1 ? "" : "s"} in memory ${
      reply.matched === 1 ? "is" : "are"
    } concerned`;
  const kept = reply.persisted ? "" : "\nIt was not written down: it ends with the gateway's process";
  return `Purged ${what} of ${where} (${how}) in ${reply.workers} worker${reply.workers === 1 ? "" : "s"}, ` +
    `${reply.duration_ms} ms${matched}${kept}`;
}
