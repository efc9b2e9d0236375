/** Tries what a worker may want to do, and says which of it went through. */
const scope = globalThis as unknown as {
  onmessage: (event: MessageEvent<{ readonly inside: string; readonly outside: string }>) => void;
  postMessage(allowed: string[]): void;
};

scope.onmessage = async ({ data: { inside, outside } }) => {
  const attempts: Record<string, () => unknown> = {
    "write inside": () => Deno.writeTextFile(`${inside}/tried`, ""),
    "write outside": () => Deno.writeTextFile(`${outside}/tried`, ""),
    kv: async () => (await Deno.openKv(`${inside}/tried.kv`)).close(),
    socket: () => Deno.listen({ transport: "unix", path: `${outside}/sockets/tried.sock` }).close(),
    listen: () => Deno.listen({ hostname: "127.0.0.1", port: 0 }).close(),
    read: () => Deno.readTextFile(new URL(import.meta.url)),
    env: () => Deno.env.get("PATH"),
    run: () => new Deno.Command(Deno.execPath(), { args: ["--version"] }).outputSync(),
    ffi: () => Deno.dlopen("libc.so.6", {}).close(),
    "a wider worker": () =>
      new Worker(import.meta.url, { type: "module", deno: { permissions: { write: true } } }).terminate(),
  };
  const allowed: string[] = [];
  for (const [name, attempt] of Object.entries(attempts)) {
    try {
      await attempt();
      allowed.push(name);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotCapable)) allowed.push(`${name}: ${error}`);
    }
  }
  scope.postMessage(allowed);
};
