import { integer } from "../seeded_random.ts";
import { type Fault, wait, type World } from "./fault.ts";
import { UPGRADE } from "./timeline.ts";

/** Faults of the gateway's process, its workers, its configuration and its clock. */
export const PROCESS_FAULTS: readonly Fault[] = [
  {
    name: "worker-dies",
    about: "a serving worker ends by an error that nobody catches",
    excuses: ["unanswered", "cut"],
    afterMs: 3_000,
    track: "process",
    inflict: (world) => breakWorker(world, integer(world.random, 2), "throw"),
  },
  {
    name: "health-worker-dies",
    about: "the health worker ends in the same way",
    excuses: [],
    afterMs: 0,
    track: "process",
    inflict: (world) => breakWorker(world, 2, "throw"),
  },
  {
    name: "worker-hangs",
    about: "a serving worker is in an endless loop, is replaced, and the process is killed",
    excuses: ["unanswered", "cut", "late", "error"],
    afterMs: 2_000,
    track: "process",
    async inflict(world) {
      await breakWorker(world, integer(world.random, 2), "hang");
      await wait(3_000);
      await killed(world);
    },
  },
  {
    name: "killed",
    about: "the process is ended by SIGKILL and started again",
    excuses: ["unanswered", "cut"],
    afterMs: 1_000,
    track: "process",
    weight: 2,
    inflict: killed,
  },
  {
    name: "restarted",
    about: "the process is ended by SIGTERM and started again",
    excuses: ["unanswered"],
    afterMs: 1_000,
    track: "process",
    inflict: ({ gateway, timeline, complain }) =>
      gateway.inTurn(async () => {
        const wasDown = gateway.isDown;
        const code = await gateway.end("SIGTERM");
        timeline.ended();
        if (code !== 0 && !wasDown) complain(`after SIGTERM it ended with status ${code}`);
        await gateway.start();
      }),
  },
  {
    name: UPGRADE,
    about: "a second process takes the first one's place (--take-over)",
    // A connection that waits to be accepted as the socket is closed (docs/run.md).
    excuses: ["unanswered"],
    afterMs: 0,
    track: "process",
    inflict: ({ gateway, timeline }) =>
      gateway.inTurn(async () => {
        await gateway.start(!gateway.isDown);
        timeline.ended();
      }),
  },
  {
    name: "paused",
    about: "the process is stopped for a while (SIGSTOP, SIGCONT), as a machine that is suspended",
    excuses: [],
    afterMs: 0,
    track: "process",
    async inflict({ gateway }, lastsMs) {
      gateway.signal("SIGSTOP");
      await wait(Math.min(3_000, lastsMs));
      gateway.signal("SIGCONT");
    },
  },
  {
    name: "reloaded",
    about: "SIGHUP with another configuration: lifetimes, sizes, weights, a listener more or less",
    excuses: [],
    afterMs: 0,
    track: "process",
    weight: 3,
    async inflict(world) {
      await world.gateway.write((world.gateway.variant + 1 + integer(world.random, 3)) % 4);
      await signalled(world, true);
    },
  },
  {
    name: "reloaded-wrongly",
    about: "SIGHUP with a configuration that is broken",
    excuses: [],
    afterMs: 0,
    track: "process",
    async inflict(world) {
      await Deno.writeTextFile(world.shop.configPath, "pools: [\nlisteners: }");
      await signalled(world, false);
      await world.gateway.write(world.gateway.variant);
    },
  },
  {
    ...clockJump("clock-jump", (random) => [40, 3_600, 100_000][integer(random, 3)]!),
    about: "the clock jumps ahead, and back",
  },
  {
    ...clockJump("clock-back", (random) => -[7, 40, 3_600][integer(random, 3)]!),
    about: "the clock is set back, and ahead again",
  },
];

async function breakWorker({ gateway, complain }: World, worker: number, how: "throw" | "hang"): Promise<void> {
  const restarts = async () => JSON.parse((await gateway.admin("/status"))?.text ?? "{}").workers?.[worker];
  const before = (await restarts())?.restarts ?? 0;
  const told = await gateway.admin(`/test/fault/${worker}/${how}`, { method: "POST" });
  // It may have ended by itself: that is told of where it is started again.
  if (told === null) return;
  if (told.status !== 204) return complain(`worker ${worker} was not broken: ${told.status}`);
  const untilMs = Date.now() + 60_000;
  while (Date.now() < untilMs) {
    const now = await restarts();
    if (now?.state === "up" && now.restarts > before) return;
    await wait(200);
  }
  complain(`worker ${worker} was not replaced within a minute`);
}

async function killed({ gateway, timeline }: World): Promise<void> {
  await gateway.inTurn(async () => {
    await gateway.end("SIGKILL");
    timeline.ended();
    await gateway.start();
  });
}

/** Signals and waits until the gateway has told how the reload went. */
async function signalled({ gateway, complain }: World, isGood: boolean): Promise<void> {
  const config = async () => JSON.parse((await gateway.admin("/status"))?.text ?? "{}").config;
  const before = JSON.stringify((await config())?.last_reload ?? null);
  gateway.signal("SIGHUP");
  const untilMs = Date.now() + 60_000;
  while (Date.now() < untilMs) {
    const now = (await config())?.last_reload ?? null;
    if (JSON.stringify(now) !== before) {
      if ((now.problems.length === 0) !== isGood) complain(`a ${isGood ? "good" : "broken"} reload: ${now.problems}`);
      return;
    }
    await wait(200);
  }
  complain("a reload was not told of within a minute");
}

function clockJump(name: string, secondsOf: (random: () => number) => number): Omit<Fault, "about"> {
  return {
    name,
    excuses: ["skewed"],
    // Ages of what was stored meanwhile are those of the other clock.
    afterMs: 60_000,
    track: "process",
    async inflict({ shop, timeline, random }, lastsMs) {
      const seconds = secondsOf(random);
      const set = async (offset: number) => {
        timeline.setBack(Math.abs(seconds) * 1000);
        await Deno.writeTextFile(shop.clockPath!, `${offset < 0 ? "" : "+"}${offset}\n`);
        // It looks once a second.
        await wait(1_500);
      };
      await set(seconds);
      await wait(lastsMs);
      await set(0);
    },
  };
}
