/**
 * Takes the pictures of the page for README.md: `deno task screenshots`. It starts the demo, has its clients ask for a while, breaks one
 * upstream and mends it, so that there is something to see.
 */
import { join } from "node:path";
import { ROOT_URL } from "../house/syntax.ts";
import { freePort } from "../free_port.ts";
import { openBrowser, openPage } from "./browser.ts";

/** How long clients ask, in seconds, before and after one upstream breaks. */
const SECONDS = { before: 100, broken: 20, after: 60 };

const [port, adminPort] = [freePort(), freePort()];
const adminUrl = `http://127.0.0.1:${adminPort}`;
const demo = new Deno.Command(Deno.execPath(), {
  args: [
    "run",
    "--no-prompt",
    "--lock=deno.all.lock",
    "-A",
    "tests/demo.ts",
    "--port",
    `${port}`,
    "--admin-port",
    `${adminPort}`,
  ],
  cwd: ROOT_URL,
  stdout: "null",
  stderr: "null",
}).spawn();
try {
  await ready();
  await told("traffic");
  await pause(SECONDS.before);
  await told("break");
  await pause(SECONDS.broken);
  await told("mend");
  await pause(SECONDS.after);
  const browser = await openBrowser();
  for (const [scheme, name] of [["light", "page.png"], ["dark", "page-dark.png"]] as const) {
    const { page, close } = await openPage(browser, adminUrl, { scheme, width: 1280, height: 960 });
    await page.waitForSelector(".tiles");
    // A rate needs some seconds.
    await pause(5);
    await page.screenshot({ path: join(new URL("docs", ROOT_URL).pathname, name) });
    await close();
  }
  await browser.close();
} finally {
  demo.kill("SIGTERM");
  await demo.status;
}

async function told(what: string): Promise<void> {
  const response = await fetch(`${adminUrl}/demo/${what}`, { method: "POST" });
  await response.body?.cancel();
}

async function ready(): Promise<void> {
  for (;;) {
    const response = await fetch(`${adminUrl}/ready`).catch(() => null);
    await response?.body?.cancel();
    if (response?.ok) return;
    await pause(0.2);
  }
}

function pause(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
}
