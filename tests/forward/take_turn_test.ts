import assert from "node:assert/strict";
import { loopTurns } from "../../lib/wire/loop_turns.ts";
import { plainParts, withGateway, withOrigins } from "../pipeline/in_process_gateway.ts";

const FLOOD = 4_000;

/** Holds the event loop's turns up, until it is let go or driven. */
function heldLoop() {
  let next: (() => void) | null = null;
  let isHeld = true;
  loopTurns.useLook((end) => isHeld ? next = end : setTimeout(end, 0));
  return {
    /** Lets one turn begin, where one is due. */
    turn() {
      const due = next;
      next = null;
      due?.();
    },
    letGo() {
      isHeld = false;
      this.turn();
    },
  };
}

Deno.test("takeTurn() sheds what a flooding listener asks for beyond its share: hits and other listeners go on", () =>
  withOrigins(
    [(exchange) => exchange.reply({ fields: [["cache-control", "max-age=600"]], body: exchange.head.target })],
    (origin) =>
      withGateway({
        ...plainParts([origin!.url]),
        listeners: [{ name: "flooded", pool: "p", prefix: "/f" }, { name: "other", pool: "p", prefix: "/o" }].map((
          listener,
        ) => ({ ...listener, cache: { mode: "rfc9111" } })),
        access: "errors",
      }, async ({ ask, gateway, lines, access }) => {
        assert.equal((await ask("/f/stored")).status, 200);
        const loop = heldLoop();
        const waiting = Array.from({ length: FLOOD }, () => loopTurns.start("flooded"));
        for (let n = 0; n < 20_000 && !loopTurns.overloaded.includes("flooded"); n++) {
          loop.turn();
          await new Promise((resolve) => setTimeout(resolve, 1));
        }
        assert.deepEqual(loopTurns.overloaded, ["flooded"]);
        const shed = await ask("/f/new");
        assert.deepEqual([shed.status, shed.headers.get("retry-after")], [503, "1"]);
        assert.match(shed.text, /overloaded/);
        assert.match((await ask("/f/stored")).cacheStatus, /hit/);
        const other = ask("/o/new");
        loop.turn();
        assert.equal((await other).status, 200);
        for (let n = 0; n < 30; n++) assert.equal((await ask(`/f/${n}`)).status, 503);
        const { flooded, other: quiet } = gateway.counts.listeners;
        assert.deepEqual([flooded!.shed, quiet!.shed], [31, 0]);
        assert.ok(access().length <= 22, "refusals do not fill the log");
        assert.ok(lines.some(({ message }) => String(message).startsWith("A request was shed")));
        loop.letGo();
        await Promise.all(waiting);
        assert.equal((await ask("/f/new")).text, "/f/new");
      }),
  ));
