/**
 * The demo: the gateway with embedded origins on loopback, so that someone with no key and no network sees it work.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { commandLine } from "../routes/command_line.ts";
import { demoBanner, prepareDemo } from "./origins/demo_config.ts";

const { values } = parseArgs({
  args: Deno.args,
  options: { port: { type: "string", default: "6635" }, "admin-port": { type: "string", default: "6636" } },
});
const ports = { port: Number(values.port), adminPort: Number(values["admin-port"]) };
const demo = await prepareDemo(ports);
const gateway = commandLine(["start", "--config", demo.configPath], new URL("../main.ts", import.meta.url));
showBannerWhenReady();
const status = await gateway;
await demo.close();
Deno.exit(status);

async function showBannerWhenReady(): Promise<void> {
  for (let waitedMs = 0; waitedMs < 30_000; waitedMs += 100) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    const response = await fetch(`http://127.0.0.1:${ports.adminPort}/ready`).catch(() => null);
    await response?.body?.cancel();
    if (!response?.ok) continue;
    const text = `\n${demoBanner(`http://127.0.0.1:${ports.port}`)}\n`;
    Deno.stdout.writeSync(new TextEncoder().encode(text));
    return;
  }
}
