/**
 * The demo: the gateway with embedded origins on loopback, so that someone with no key and no network sees it work.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { commandLine } from "../routes/command_line.ts";
import { demoBanner, prepareDemo } from "./origins/demo_config.ts";
import { DemoControls, demoRoutes } from "./origins/demo_controls.ts";
import demoStyle from "./origins/demo_page.css" with { type: "text" };
import demoPage from "./origins/demo_page.js" with { type: "text" };

const { values } = parseArgs({
  args: Deno.args,
  options: { port: { type: "string", default: "6635" }, "admin-port": { type: "string", default: "6636" } },
});
const ports = { port: Number(values.port), adminPort: Number(values["admin-port"]) };
const [baseUrl, pageUrl] = [`http://127.0.0.1:${ports.port}`, `http://127.0.0.1:${ports.adminPort}/`];
const demo = await prepareDemo(ports);
const controls = new DemoControls(demo.origins, baseUrl);
const gateway = commandLine(["start", "--config", demo.configPath], new URL("../main.ts", import.meta.url), {
  routes: demoRoutes(controls),
  files: { "demo.js": demoPage, "demo.css": demoStyle },
});
showBannerWhenReady();
const status = await gateway;
controls.setTraffic(false);
await demo.close();
Deno.exit(status);

async function showBannerWhenReady(): Promise<void> {
  for (let waitedMs = 0; waitedMs < 30_000; waitedMs += 100) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    const response = await fetch(`${pageUrl}ready`).catch(() => null);
    await response?.body?.cancel();
    if (!response?.ok) continue;
    Deno.stdout.writeSync(new TextEncoder().encode(`\n${demoBanner(baseUrl, pageUrl)}\n`));
    return;
  }
}
