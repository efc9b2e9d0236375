import { type Browser, chromium, type Page } from "npm:playwright-core@1.65.1";
import { CHROMIUM, isInstalled } from "../house/test_command.ts";

export type { Page } from "npm:playwright-core@1.65.1";

/** Whether Debian's browser is there and may be started: its driver asks for every permission. */
export function hasBrowser(): boolean {
  const grants = (["run", "net", "sys", "write"] as const).map((name) => Deno.permissions.querySync({ name }).state);
  return isInstalled(CHROMIUM) && grants.every((state) => state === "granted");
}

/** How a page is opened. */
export interface PageOptions {
  readonly width?: number;
  readonly height?: number;
  readonly scheme?: "light" | "dark";
  readonly locale?: string;
}

/** A page that keeps what should not be: messages of errors, and requests to other hosts. */
export interface WatchedPage {
  readonly page: Page;
  /** Errors of the console and of scripts, but for those of requests that the gateway refused as it should. */
  readonly errors: string[];
  /** Bytes of everything that was loaded, as they came over the wire, but for answers of the API. */
  loadedBytes(): Promise<number>;
  close(): Promise<void>;
}

/** Debian's browser without a window. */
export function openBrowser(): Promise<Browser> {
  // As root there is no sandbox.
  return chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
}

/** Opens a page of its own, with nothing in its stores. */
export async function openPage(browser: Browser, url: string, options: PageOptions = {}): Promise<WatchedPage> {
  const { width = 1280, height = 900, scheme = "light", locale = "en-US" } = options;
  const context = await browser.newContext({
    viewport: { width, height },
    colorScheme: scheme,
    locale,
    reducedMotion: "reduce",
  });
  const page = await context.newPage();
  const errors: string[] = [];
  const sizes: Promise<number>[] = [];
  page.on("console", (message) => {
    if (message.type() === "error" && !/status of (?:401|403|422)/.test(message.text())) errors.push(message.text());
  });
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("request", (request) => {
    if (!request.url().startsWith(url)) errors.push(`a request to ${request.url()}`);
  });
  page.on("requestfinished", (request) => {
    if (!request.url().startsWith(`${url}/api/`)) sizes.push(request.sizes().then((size) => size.responseBodySize));
  });
  await page.goto(`${url}/`);
  return {
    page,
    errors,
    loadedBytes: async () => (await Promise.all(sizes)).reduce((sum, bytes) => sum + bytes, 0),
    close: () => context.close(),
  };
}
