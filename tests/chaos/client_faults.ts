import { integer } from "../seeded_random.ts";
import { type Fault, wait, type World } from "./fault.ts";

const REQUEST_LINES = "host: chaos.test\r\n";

/** Faults that clients make: they hold what they have been given. */
export const CLIENT_FAULTS: readonly Fault[] = [
  {
    name: "descriptors-used-up",
    about: "1,300 idle connections where the process may have 1,024 descriptors",
    excuses: ["unanswered", "error"],
    afterMs: 5_000,
    track: "process",
    inflict: (world, lastsMs) => held(world, 1_300, lastsMs, () => ""),
  },
  {
    name: "slow-clients",
    about: "150 connections with half a head, half of their content, or that take 1 KB of a large response",
    excuses: [],
    afterMs: 0,
    track: "process",
    inflict: (world, lastsMs) =>
      held(world, 150, Math.max(lastsMs, 6_000), (index) => SLOW[index % SLOW.length]!(index)),
  },
  {
    name: "memory-flood",
    about: "200 different large responses at once: more than memory holds",
    // Where an upstream fails at the same time there are more retries than the budget allows.
    excuses: ["error"],
    afterMs: 5_000,
    track: "process",
    inflict: flood,
  },
];

const SLOW: readonly ((index: number) => string)[] = [
  (index) => `GET /site/${index} HTTP/1.1\r\nhost: cha`,
  (index) => `POST /site/${index} HTTP/1.1\r\n${REQUEST_LINES}content-length: 900\r\n\r\nhalf`,
  (index) => `GET /t/p/w500/picture${index}.jpg HTTP/1.1\r\n${REQUEST_LINES}\r\n`,
];

/** Opens connections, sends something on each, reads at most 1 KB, and leaves when the time is over. */
async function held(
  { gateway: { port } }: World,
  count: number,
  lastsMs: number,
  say: (index: number) => string,
): Promise<void> {
  const open: Deno.Conn[] = [];
  for (let index = 0; index < count; index++) {
    try {
      const connection = await Deno.connect({ hostname: "127.0.0.1", port });
      open.push(connection);
      const text = say(index);
      if (text === "") continue;
      await connection.write(new TextEncoder().encode(text));
      if (text.startsWith("GET /t/p") && text.endsWith("\r\n\r\n")) await readSome(connection);
    } catch {
      // It is refused: that is what this is about.
    }
  }
  await wait(lastsMs);
  for (const connection of open) connection.close();
}

async function readSome(connection: Deno.Conn): Promise<void> {
  await Promise.race([connection.read(new Uint8Array(1_024)).catch(() => null), wait(200)]);
}

/** Numbers of resources that no other request is for. */
const BEYOND = 100_000;

async function flood({ gateway: { port }, random }: World): Promise<void> {
  const from = BEYOND + integer(random, 1_000_000);
  const one = async (index: number) => {
    try {
      const response = await fetch(`http://127.0.0.1:${port}/t/p/w500/picture${from + index}.jpg`);
      await response.body?.cancel();
    } catch {
      // Other faults may go on at the same time.
    }
  };
  await Promise.all(Array.from({ length: 200 }, (_, index) => one(index)));
}
