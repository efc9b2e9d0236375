/**
 * A network namespace for the engine, with a link of its own for each gateway. A link that is taken down swallows packets without a word,
 * as a cable does that is pulled, and leaves the other gateways alone.
 */
export interface EngineNetwork {
  /** Where gateway `n` reaches the engine, which listens on all addresses. */
  address(n: number): string;
  /** The beginning of a command that is to run beside the engine. */
  readonly prefix: readonly string[];
  setLink(n: number, isUp: boolean): Promise<void>;
  close(): Promise<void>;
}

const IP = "/usr/bin/ip";

/** Namespaces of this process. */
let made = 0;

/** A network with `links` links; `null` where namespaces cannot be made: that takes Linux, its `ip` command, and the right to. */
export async function makeEngineNetwork(links: number): Promise<EngineNetwork | null> {
  const name = `usher-${Deno.pid}-${++made}`;
  // A /30 for each link, out of a block that is set aside for tests of networks (RFC 2544): 198.18.0.0/15.
  const block = (Deno.pid % 64) * 4 + made % 4;
  const address = (n: number, host: number) => `198.18.${block}.${n * 4 + host}`;
  const link = (n: number) => `us${Deno.pid % 100_000}-${made % 10}${n}`;
  if (!await ip(["netns", "add", name])) return null;
  const close = async () => void await ip(["netns", "delete", name]);
  const steps: string[][] = [["-n", name, "link", "set", "lo", "up"]];
  for (let n = 0; n < links; n++) {
    steps.push(
      ["link", "add", link(n), "type", "veth", "peer", "name", `gateway${n}`, "netns", name],
      ["address", "add", `${address(n, 1)}/30`, "dev", link(n)],
      ["link", "set", link(n), "up"],
      ["-n", name, "address", "add", `${address(n, 2)}/30`, "dev", `gateway${n}`],
      ["-n", name, "link", "set", `gateway${n}`, "up"],
    );
  }
  for (const step of steps) {
    if (await ip(step)) continue;
    await close();
    return null;
  }
  return {
    address: (n) => address(n, 2),
    prefix: [IP, "netns", "exec", name],
    async setLink(n, isUp) {
      const state = isUp ? "up" : "down";
      if (!await ip(["-n", name, "link", "set", `gateway${n}`, state])) {
        throw new Error(`Link ${n} cannot be set ${state}`);
      }
    },
    close,
  };
}

async function ip(args: string[]): Promise<boolean> {
  try {
    return (await new Deno.Command(IP, { args, stdout: "null", stderr: "null" }).output()).success;
  } catch {
    return false;
  }
}
