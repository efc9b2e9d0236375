import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import { Hono } from "hono";
import { ASSETS, SHELL } from "./assets.ts";

/**
 * The page may load nothing from anywhere else, run no script and use no style that stands in a document, send no form, stand in no
 * frame; and no text becomes markup (Trusted Types): URLs come from strangers.
 */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join("; ");

const FIELDS: Readonly<Record<string, string>> = {
  "content-security-policy": POLICY,
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  // Asked for anew each time, which a tag makes cheap: after an upgrade no page of before is left.
  "cache-control": "no-cache",
  "vary": "Accept-Encoding",
};

const TYPES: Readonly<Record<string, string>> = {
  html: "text/html; charset=utf-8",
  css: "text/css; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  svg: "image/svg+xml",
};

/** What whoever starts the gateway in their own program serves beside its admin surface: the demo, for one. */
export interface Beside {
  /** For those who may use the admin surface. */
  readonly routes: Hono;
  /** Scripts and styles that the page loads after its own, by their names at `/page/`. */
  readonly files: Readonly<Record<string, string>>;
}

/** One file of the page as it is sent. */
interface SentFile {
  readonly type: string;
  readonly plain: Uint8Array<ArrayBuffer>;
  readonly gzip: Uint8Array<ArrayBuffer>;
  readonly tag: string;
}

/**
 * The page at the admin address: the shell and what it loads. It holds no data and is for everyone: what it shows it asks for with the
 * operator's token. The shell says whether one is needed, so that the page need not ask in vain.
 */
export function dashboard(needsToken: () => boolean, more: Beside["files"] = {}): Hono {
  const app = new Hono();
  const assets = new Map([...ASSETS, ...Object.entries(more)]);
  const made = new Map<string, SentFile>();
  const send = (request: Request, name: string, text: () => string): Response => {
    let file = made.get(name);
    if (file === undefined) made.set(name, file = sentFile(name, text()));
    return answer(request, file);
  };
  app.get("/", ({ req }) => {
    const access = needsToken() ? "token" : "open";
    return send(req.raw, `${access}.html`, () => shell(access, Object.keys(more)));
  });
  app.get("/page/:name", async ({ req }, next) => {
    const name = req.param("name");
    const text = assets.get(name);
    return text === undefined ? await next() : send(req.raw, name, () => text);
  });
  return app;
}

/** The document. Its modules are loaded at once, not one after the other as they name each other. */
function shell(access: string, more: readonly string[]): string {
  const modules = [...ASSETS.keys()].filter((name) => name.endsWith(".js"));
  const head = [
    ...modules.map((name) => `<link rel="modulepreload" href="/page/${name}">`),
    ...more.map((name) =>
      name.endsWith(".js")
        ? `<script type="module" src="/page/${name}"></script>`
        : `<link rel="stylesheet" href="/page/${name}">`
    ),
  ];
  return SHELL.replace("{access}", access).replace("{head}", head.join("\n"));
}

function sentFile(name: string, text: string): SentFile {
  const plain = new TextEncoder().encode(text);
  const tag = createHash("sha256").update(plain).digest("base64url").slice(0, 16);
  return {
    type: TYPES[name.slice(name.lastIndexOf(".") + 1)]!,
    plain,
    gzip: new Uint8Array(gzipSync(plain, { level: 9 })),
    tag,
  };
}

function answer({ headers }: Request, { type, plain, gzip, tag }: SentFile): Response {
  const isGzip = /\bgzip\b/.test(headers.get("accept-encoding") ?? "");
  const etag = `"${tag}${isGzip ? "-gzip" : ""}"`;
  const fields = { ...FIELDS, "content-type": type, etag };
  if (headers.get("if-none-match") === etag) return new Response(null, { status: 304, headers: fields });
  return new Response(isGzip ? gzip : plain, {
    headers: isGzip ? { ...fields, "content-encoding": "gzip" } : fields,
  });
}
