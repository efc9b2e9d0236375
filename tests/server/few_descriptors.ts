/** A server for a test that leaves it few descriptors: it answers with what it has met, and says where it listens. */
import { serving, textReply } from "./serving.ts";

// Without one the runtime panics when it has no descriptor left (Deno 2.9.6).
Deno.addSignalListener("SIGHUP", () => {});
const running = await serving(() => textReply(JSON.stringify(running.server.counts)));
await Deno.stdout.write(new TextEncoder().encode(`${running.address}\n`));
