import type { ListenAddress } from "../../lib/config/addresses.ts";
import { messageOf } from "../../lib/errors.ts";
import type { Predecessor } from "../../lib/workers/supervisor/take_over.ts";
import { adminAccess, askAdmin, refusalOf } from "./admin_client.ts";
import { heldAddresses } from "./check_ports.ts";

/**
 * The gateway that was started with a configuration, or is at its admin address, and how it is told to hand over; `null` where none runs.
 *
 * @throws {Error} when one runs and does not let itself be asked
 */
export async function predecessorOf(config: string | undefined): Promise<Predecessor | null> {
  const access = await adminAccess({ config });
  const reply = await askAdmin(access, "GET /status").catch(() => null);
  if (reply === null) return null;
  if (!reply.ok) throw new Error(refusalOf(reply));
  const { pid, addresses } = heldAddresses(access.url, reply.value);
  // Asked before anything is taken from it.
  const api = await askAdmin(access, "GET /openapi.json").catch(() => null);
  // It has ended meanwhile.
  if (api === null) return null;
  if (!api.ok || !JSON.stringify(api.value).includes('/hand-over"')) {
    throw new Error(
      `The gateway that runs (process ${pid}) cannot hand over, it is of an older version: stop it, then start`,
    );
  }
  const [admin] = addresses;
  return {
    pid,
    held: addresses,
    admin: admin as ListenAddress,
    async handOver() {
      const answer = await askAdmin(access, "POST /hand-over").catch(messageOf);
      if (typeof answer === "string") return answer;
      if (!answer.ok && answer.status !== 409) throw new Error(refusalOf(answer));
      return null;
    },
  };
}
