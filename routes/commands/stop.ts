import { pause } from "../../lib/clock.ts";
import { ADMIN_HELP, ADMIN_OPTIONS, adminAccess, askAdmin, refusalOf } from "./admin_client.ts";
import { type Command, failed, readArguments } from "./command.ts";
import { fail, print } from "./terminal.ts";

/** As the admin surface answers. */
interface StopReply {
  readonly pid: number;
  readonly grace_ms: number;
  /** Nothing from an older gateway. */
  readonly delay_ms?: number;
}

const POLL_MS = 100;
/** Time of a stop beyond that of the requests under way. */
const MARGIN_MS = 10_000;

/** `usher stop`: has the running gateway stop gracefully, and waits until it has. */
export const stopCommand: Command = {
  summary: "stop the running gateway gracefully, and wait for it",
  usage: `usage: usher stop [--config FILE | --admin URL] [--token T]

  After \`server.shutdown_delay\` requests under way have \`server.shutdown_grace\` to finish. Exits with 0 when the gateway has stopped, with 1 if there is
  none or it does not stop.

  ${ADMIN_HELP}
`,
  async run(args) {
    const { values } = readArguments(args, ADMIN_OPTIONS);
    try {
      const access = await adminAccess(values);
      const reply = await askAdmin(access, "POST /stop");
      if (!reply.ok) return fail(refusalOf(reply));
      const { pid, grace_ms, delay_ms = 0 } = reply.value as StopReply;
      const waitMs = delay_ms + grace_ms + MARGIN_MS;
      if (await hasEnded(access.url, waitMs)) return print(`The gateway (process ${pid}) has stopped`);
      return fail(`The gateway (process ${pid}) has not stopped within ${Math.round(waitMs / 1000)} s`);
    } catch (error) {
      return failed(error);
    }
  },
};

/** The admin address is closed last of all. */
async function hasEnded(url: string, waitMs: number): Promise<boolean> {
  const { hostname, port } = new URL(url);
  const untilMs = performance.now() + waitMs;
  while (performance.now() < untilMs) {
    try {
      (await Deno.connect({ hostname: hostname.replace(/^\[|\]$/g, ""), port: Number(port || 80) })).close();
    } catch {
      return true;
    }
    await pause(POLL_MS);
  }
  return false;
}
