import assert from "node:assert/strict";
import { type Bind, Listening } from "../../lib/server/_listening.ts";
import { zeroCounts } from "../../lib/server/server_counts.ts";
import { eventually } from "../eventually.ts";

/** Sockets of which the first `broken` accept nothing, by the error of this code. */
function sockets(broken: number, code: string) {
  const bound: Deno.TcpListener[] = [];
  const bind: Bind = (target) => {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: "port" in target ? target.port : 0 });
    if (bound.push(listener) <= broken) {
      listener.accept = () => Promise.reject(Object.assign(new Error(`accept: ${code}`), { code }));
    }
    return listener;
  };
  return { bound, bind };
}

Deno.test("a socket that accepts nothing any more is replaced, on the same port, and its trouble is told until then", async () => {
  const { bound, bind } = sockets(2, "EINVAL");
  const listening = await Listening.open({ hostname: "127.0.0.1", port: 0 }, bind);
  const taken: Deno.Conn[] = [];
  listening.accept((connection) => taken.push(connection), zeroCounts());
  await eventually("it says so", () => listening.trouble === "accept: EINVAL");
  await eventually("the third socket is there", () => bound.length === 3);
  const port = Number(listening.address.split(":")[1]);
  using _client = await Deno.connect({ hostname: "127.0.0.1", port });
  await eventually("it accepts", () => taken.length === 1);
  assert.equal(listening.trouble, null);
  taken[0]!.close();
  await listening.closeNow();
});

Deno.test("a socket without descriptors is left as it is: they come back", async () => {
  const { bound, bind } = sockets(1, "EMFILE");
  const listening = await Listening.open({ hostname: "127.0.0.1", port: 0 }, bind);
  const counts = zeroCounts();
  listening.accept(() => {}, counts);
  await eventually("many errors", () => counts.acceptErrors > 45);
  assert.equal(bound.length, 1);
  assert.equal(listening.trouble, "accept: EMFILE");
  await listening.closeNow();
});
