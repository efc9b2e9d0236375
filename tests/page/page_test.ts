import assert from "node:assert/strict";
import type { Browser } from "npm:playwright-core@1.65.1";
import { fieldValue } from "../../lib/http/fields.ts";
import { type ScriptedOrigin, startScriptedOrigin } from "../origins/scripted_origin.ts";
import { PAGE_TOKENS, type RunningGateway, startPageGateway } from "../system/page_gateway.ts";
import { hasBrowser, openBrowser, openPage, type Page, type PageOptions, type WatchedPage } from "./browser.ts";

/** Markup that a stranger may put into a path, a query or a name. */
const HOSTILE = `<img src=x onerror="document.title='broken-in'">`;

/** What is hostile is slow too, and asked for more than anything else: so it is in all lists. */
const SLOW_MS = 1_500;
const HOSTILE_REQUESTS = 40;

/** What every step works with. */
interface Bench {
  readonly browser: Browser;
  readonly gateway: RunningGateway;
  readonly origins: readonly ScriptedOrigin[];
  readonly config: string;
}

Deno.test({
  name: "the page, in chromium: login, live figures, orders, languages, sizes, keyboard, and nothing of strangers runs",
  ignore: !hasBrowser(),
  // What the browser's driver holds is no business of the test.
  sanitizeOps: false,
  sanitizeResources: false,
  async fn(t) {
    const origins = await Promise.all([1, 2].map(() =>
      startScriptedOrigin(async (exchange) => {
        if (exchange.head.target.includes("img")) await exchange.wait(SLOW_MS);
        await exchange.reply({
          fields: [["content-type", "text/plain"], ["cache-control", "max-age=600"]],
          body: `${exchange.head.target} ${fieldValue(exchange.head.fields, "host")}`,
        });
      })
    ));
    const gateway = await startPageGateway(origins.map(({ url }) => url));
    const browser = await openBrowser();
    const bench = { browser, gateway, origins, config: await Deno.readTextFile(gateway.configPath) };
    try {
      for (const [name, step] of Object.entries(STEPS)) await t.step(name, () => step(bench));
    } finally {
      await browser.close();
      await gateway.close();
      await Promise.all(origins.map((origin) => origin.close()));
    }
  },
});

const STEPS: Readonly<Record<string, (bench: Bench) => Promise<void>>> = {
  "it asks for the token, says where that is wrong, and keeps it in this tab alone": login,
  "it is whole, under 60 KB, and shows the first start": firstStart,
  "it follows what comes in": live,
  "a purge takes what it names": purge,
  "a drained upstream gets nothing, and its share goes to the other": drain,
  "a reload with a broken file shows its lines, and a mended one takes them away": reload,
  "a table of usage says how many rows are left, and shows them": usage,
  "what strangers send is text": hostile,
  "it fits 320 pixels": narrow,
  "it is dark where that is wanted": dark,
  "it speaks Chinese to who prefers that, and English on request": chinese,
  "it goes by keyboard": keyboard,
  "everything has a name for who cannot see it": named,
  "a reader sees all and orders nothing": reader,
  "it says that the gateway has gone": gone,
};

async function opened({ browser, gateway }: Bench, options: PageOptions = {}, token: string = PAGE_TOKENS.operate) {
  const watched = await openPage(browser, gateway.adminUrl, options);
  await enter(watched.page, token);
  await watched.page.waitForSelector(".tiles");
  return watched;
}

async function enter(page: Page, token: string): Promise<void> {
  await page.fill("input[name=token]", token);
  await page.press("input[name=token]", "Enter");
}

async function closed(watched: WatchedPage): Promise<void> {
  assert.deepEqual(watched.errors, []);
  await watched.close();
}

async function lookUp(page: Page, url: string): Promise<void> {
  await page.fill("#lookup input[name=url]", url);
  await page.getByRole("button", { name: "Look up" }).click();
}

async function asked(gateway: RunningGateway, path: string): Promise<string> {
  const response = await fetch(`${gateway.url}${path}`);
  await response.body?.cancel();
  return response.headers.get("cache-status") ?? "";
}

async function login({ browser, gateway }: Bench): Promise<void> {
  const watched = await openPage(browser, gateway.adminUrl);
  const { page } = watched;
  await page.waitForSelector("input[name=token]");
  assert.equal(await page.locator("input[name=token]").getAttribute("type"), "password");
  assert.equal(await page.locator(".tiles").count(), 0);
  await enter(page, "a-wrong-token-of-somebody");
  await page.waitForSelector(".note.bad");
  // A token that opens the metrics alone is refused with the reason, and another one may be given.
  await enter(page, PAGE_TOKENS.metrics);
  await page.getByText("This needs a token whose role is read").waitFor();
  await enter(page, PAGE_TOKENS.operate);
  await page.waitForSelector(".tiles");
  assert.equal(page.url(), `${gateway.adminUrl}/`);
  assert.equal(await page.evaluate("sessionStorage.getItem('usher-token')"), PAGE_TOKENS.operate);
  assert.equal(await page.evaluate("Object.values({ ...localStorage }).join()"), "");
  assert.equal(await page.evaluate("document.cookie"), "");
  await page.reload();
  await page.waitForSelector(".tiles");
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.waitForSelector("input[name=token]");
  assert.equal(await page.evaluate("sessionStorage.getItem('usher-token')"), null);
  await closed(watched);
}

async function firstStart(bench: Bench): Promise<void> {
  const watched = await opened(bench);
  const { page } = watched;
  for (const heading of ["Listeners", "Upstreams", "Is it stored?", "Workers"]) {
    await page.getByRole("heading", { name: heading, exact: true }).waitFor();
  }
  const clients = page.getByRole("table", { name: "Settings of clients" });
  await clients.getByText(`http://127.0.0.1:${bench.gateway.port}/films`).waitFor();
  await page.fill("input.host", "usher.lan");
  await clients.getByText(`http://usher.lan:${bench.gateway.port}/films`).waitFor();
  // Over plain HTTP from another machine a page has no clipboard of its own.
  await page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })");
  const row = clients.getByRole("row").filter({ hasText: `http://usher.lan:${bench.gateway.port}/films` }).first();
  await row.getByRole("button", { name: /^Copy/ }).click();
  await row.getByText("Copied").waitFor();
  const copied = await row.locator("code").innerText();
  await page.locator("#lookup input[name=url]").focus();
  await page.keyboard.press("Control+V");
  assert.equal(await page.inputValue("#lookup input[name=url]"), copied);
  const loaded = await watched.loadedBytes();
  assert.ok(loaded > 30_000 && loaded < 60_000, `${loaded} bytes`);
  await closed(watched);
}

async function live(bench: Bench): Promise<void> {
  const watched = await opened(bench);
  const { page } = watched;
  for (let request = 0; request < 20; request++) await asked(bench.gateway, `/films/${request % 5}`);
  const tile = page.locator(".tile").filter({ hasText: "Upstream requests saved" });
  await tile.getByText("of 20").waitFor();
  assert.match(await tile.innerText(), /\b15\b/);
  assert.match(await page.getByRole("table", { name: "Listeners" }).innerText(), /films[^]*\b20\b/);
  // The next sample reaches the chart: something is drawn beside the lines.
  await page.locator(".legend", { hasText: "memory" }).getByText("15", { exact: true }).waitFor();
  const colours = await page.evaluate(`(() => {
    const canvas = document.querySelector("#requests canvas");
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    const seen = new Set();
    for (let at = 0; at < data.length; at += 4) seen.add(data.slice(at, at + 4).join());
    return seen.size;
  })()`);
  assert.ok(Number(colours) > 3, `${colours} colours`);
  await closed(watched);
}

async function purge(bench: Bench): Promise<void> {
  const { gateway } = bench;
  await asked(gateway, "/films/purged");
  assert.match(await asked(gateway, "/films/purged"), /hit/);
  const watched = await opened(bench);
  const { page } = watched;
  await lookUp(page, `${gateway.url}/films/purged`);
  await page.getByRole("table", { name: "Stored responses" }).getByText("fresh").first().waitFor();
  await page.getByRole("button", { name: "Purge: films" }).click();
  await page.fill("dialog input[name=value]", "/films/purged");
  await page.getByLabel(/remove at once/).check();
  await page.locator("dialog").getByRole("button", { name: "Purge", exact: true }).click();
  await page.getByText(/Purged in 2 workers/).waitFor();
  await page.keyboard.press("Escape");
  await lookUp(page, `${gateway.url}/films/purged`);
  await page.getByText("It is not stored.").or(page.getByText("purged", { exact: true })).first().waitFor();
  assert.match(await asked(gateway, "/films/purged"), /fwd=uri-miss/);
  await closed(watched);
}

async function drain(bench: Bench): Promise<void> {
  const { gateway, origins } = bench;
  const watched = await opened(bench);
  const { page } = watched;
  const [first, second] = origins.map(({ url }) => page.getByRole("row").filter({ hasText: url }));
  await second!.getByText("50%").waitFor();
  await page.getByRole("button", { name: `Drain: ${origins[0]!.url}` }).click();
  await first!.getByText("drained").waitFor();
  await second!.getByText("100%").waitFor();
  const before = origins[0]!.heads.length;
  for (let request = 0; request < 10; request++) await asked(gateway, `/films/drained-${request}`);
  assert.equal(origins[0]!.heads.length, before);
  await page.getByRole("button", { name: `Undrain: ${origins[0]!.url}` }).click();
  await second!.getByText("50%").waitFor();
  await closed(watched);
}

async function reload(bench: Bench): Promise<void> {
  const { gateway, config } = bench;
  const watched = await opened(bench);
  const { page } = watched;
  await gateway.writeConfig(config.replace('"prefix"', `${JSON.stringify(HOSTILE)}: 1, "prefix"`));
  await page.getByRole("button", { name: "Reload" }).click();
  const lines = page.locator("#reload-problems code");
  await lines.first().waitFor();
  assert.match(await lines.first().innerText(), /config\.yaml:\d+:\d+ listeners\[0\]/);
  // The name of the key is shown as it is.
  assert.match(await page.locator("#reload-problems").innerText(), /<img src=x/);
  await gateway.writeConfig(config);
  await page.getByRole("button", { name: "Reload" }).click();
  await page.getByText(/Reloaded: generation 2/).waitFor();
  // It was now, also where this machine's clock goes an hour ahead of the gateway's.
  await page.addInitScript("{ const now = Date.now; Date.now = () => now() + 3_600_000; }");
  await page.reload();
  await page.locator(".facts").getByText(/^(?:now|\d+ sec\. ago)$/).waitFor();
  await page.locator("#reload-problems").waitFor({ state: "detached" });
  await closed(watched);
}

async function usage(bench: Bench): Promise<void> {
  const watched = await opened(bench);
  const { page } = watched;
  const rows = Array.from({ length: 130 }, (_, n) => {
    const client = `client-${String(n).padStart(3, "0")}`;
    return { day: "2026-11-30", listener: "films", client, requests: n, hits: 0, bytes: 0 };
  });
  await page.route("**/usage?*", (route) => route.fulfill({ json: { usage: rows } }));
  await page.getByText("Usage by day").first().click();
  const table = page.getByRole("table", { name: "Usage by day" });
  const shown = async (row: number, left: string) => {
    await table.getByText(`client-${String(row).padStart(3, "0")}`).waitFor();
    assert.equal(await table.getByRole("row").count(), row + 2);
    assert.ok((await page.locator("#usage").innerText()).includes(left));
  };
  await shown(59, "70 more rows.");
  await page.getByRole("button", { name: "Show more" }).click();
  await shown(119, "10 more rows.");
  await page.getByRole("button", { name: "Show more" }).click();
  await shown(129, "");
  assert.equal(await page.getByRole("button", { name: "Show more" }).count(), 0);
  await closed(watched);
}

async function hostile(bench: Bench): Promise<void> {
  const path = `/films/${encodeURI(HOSTILE)}`;
  for (let request = 0; request < HOSTILE_REQUESTS; request++) await asked(bench.gateway, path);
  const watched = await opened(bench);
  const { page } = watched;
  await lookUp(page, `${bench.gateway.url}${path}`);
  await page.locator(".found code").first().waitFor();
  await lookUp(page, `${bench.gateway.url}/films?${HOSTILE}`);
  // What was slow and what was asked for are paths of strangers too.
  for (const list of ["#slow", "#top"]) {
    await page.locator(`${list} .target`, { hasText: "<img" }).or(
      page.locator(`${list} .target`, { hasText: "%3Cimg" }),
    )
      .first().waitFor();
  }
  assert.equal(await page.locator("img[src=x]").count(), 0);
  assert.equal(await page.title(), "Usher");
  // Should a text ever be taken for markup, the policy refuses it.
  const refused = await page.evaluate(`(() => {
    try { document.body.insertAdjacentHTML("beforeend", "<b>x</b>"); return "taken"; } catch (error) { return error.name; }
  })()`);
  assert.equal(refused, "TypeError");
  watched.errors.splice(0, watched.errors.length, ...watched.errors.filter((text) => !/TrustedHTML/.test(text)));
  await closed(watched);
}

async function narrow(bench: Bench): Promise<void> {
  const watched = await opened(bench, { width: 320, height: 700 });
  const { page } = watched;
  const width = () => page.evaluate("document.documentElement.scrollWidth");
  assert.equal(await width(), 320);
  await page.getByRole("button", { name: "Explain: films" }).click();
  await page.locator("dialog").getByRole("button", { name: "Explain", exact: true }).click();
  await page.locator("dialog .explained, dialog .note").first().waitFor();
  assert.equal(await width(), 320);
  assert.ok(Number(await page.evaluate("document.querySelector('dialog').scrollWidth")) <= 320);
  await closed(watched);
}

async function dark(bench: Bench): Promise<void> {
  const watched = await opened(bench, { scheme: "dark" });
  const { page } = watched;
  const ground = async () => {
    const colour = String(await page.evaluate("getComputedStyle(document.body).backgroundColor"));
    return colour.match(/\d+/g)!.slice(0, 3).reduce((sum, part) => sum + Number(part), 0);
  };
  assert.ok(await ground() < 150);
  await page.getByRole("button", { name: "Light or dark" }).click();
  assert.ok(await ground() > 600);
  await page.reload();
  await page.waitForSelector(".tiles");
  assert.ok(await ground() > 600, "as it was chosen");
  await closed(watched);
}

async function chinese(bench: Bench): Promise<void> {
  const watched = await openPage(bench.browser, bench.gateway.adminUrl, { locale: "zh-CN" });
  const { page } = watched;
  await page.getByText("管理令牌").waitFor();
  await enter(page, PAGE_TOKENS.operate);
  await page.getByRole("heading", { name: "上游", exact: true }).waitFor();
  assert.equal(await page.locator("html").getAttribute("lang"), "zh-CN");
  await page.getByRole("button", { name: "English" }).click();
  await page.getByRole("heading", { name: "Upstreams", exact: true }).waitFor();
  assert.equal(await page.locator("html").getAttribute("lang"), "en");
  await closed(watched);
}

async function keyboard(bench: Bench): Promise<void> {
  const watched = await opened(bench);
  const { page } = watched;
  const focused = () =>
    page.evaluate("(document.activeElement.ariaLabel ?? document.activeElement.textContent).trim()");
  await page.reload();
  await page.waitForSelector(".tiles");
  await page.keyboard.press("Tab");
  assert.equal(await focused(), "To the content");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate("document.activeElement.id"), "content");
  // What is ordered does not take the focus away.
  await page.getByRole("button", { name: "Reload" }).focus();
  await page.keyboard.press("Enter");
  await page.getByText(/Reloaded: generation/).waitFor();
  assert.equal(await focused(), "Reload");
  const button = page.getByRole("button", { name: "Purge: films" });
  await button.focus();
  await page.keyboard.press("Enter");
  await page.locator("dialog[open]").waitFor();
  // The focus goes round in the dialog, and back to where it came from.
  assert.equal(await page.evaluate("document.activeElement.closest('dialog') !== null"), true);
  await page.keyboard.press("Escape");
  await page.locator("dialog").waitFor({ state: "detached" });
  assert.equal(await focused(), "Purge: films");
  await closed(watched);
}

async function named(bench: Bench): Promise<void> {
  const watched = await opened(bench);
  const { page } = watched;
  const nameless = await page.evaluate(
    `[...document.querySelectorAll("button, input, select, textarea, table, section, [role=img]")]
    .filter((one) => !(one.ariaLabel || one.textContent.trim() || one.labels?.length || one.getAttribute("aria-labelledby")))
    .map((one) => one.outerHTML)`,
  );
  assert.deepEqual(nameless, []);
  assert.equal(await page.getByRole("heading", { level: 1 }).count(), 1);
  assert.equal(await page.getByRole("main").count(), 1);
  assert.equal(await page.getByRole("banner").count(), 1);
  const missing = await page.evaluate(`[...document.querySelectorAll("[aria-labelledby]")]
    .filter((one) => document.getElementById(one.getAttribute("aria-labelledby")) === null).length`);
  assert.equal(missing, 0);
  assert.match(await page.locator("#requests .chart").getAttribute("aria-label") ?? "", /requests a second/);
  await closed(watched);
}

async function reader(bench: Bench): Promise<void> {
  const watched = await opened(bench, {}, PAGE_TOKENS.read);
  const { page } = watched;
  await page.getByRole("button", { name: "Explain: films" }).waitFor();
  for (const name of [/^Purge/, /^Prewarm/, /^Reload/, /^Drain/]) {
    assert.equal(await page.getByRole("button", { name }).count(), 0);
  }
  await closed(watched);
}

async function gone(bench: Bench): Promise<void> {
  const watched = await opened(bench);
  const { page } = watched;
  bench.gateway.signal("SIGTERM");
  await page.getByRole("banner").getByText(/No connection/).waitFor();
  assert.equal(await page.locator(".tiles").count(), 1, "what was known stays");
  await watched.close();
}
