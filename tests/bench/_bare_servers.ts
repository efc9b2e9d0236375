/**
 * Servers that do one thing, each a process of its own: `_bare_servers.ts KIND PORT URL…`.
 *
 * - `origin`: 1 KB of JSON below `/m/`, 100 KB of a picture below `/i/`, 3 MB below `/x/`, 8 MB below `/l/`, cacheable; below `/ns/` the
 *   same, not to be stored. Content of a POST is left unread.
 * - `memory`: `Deno.serve` that sends from memory what the two URLs give, field for field.
 * - `pass`: `Deno.serve` that hands every request to `fetch`, nothing else.
 */
const [kind, portText, ...urls] = Deno.args;
const hostname = "127.0.0.1";
const port = Number(portText);
const HEAD_BYTES = 16_384;
const LETTER_P = 80;

/** It runs beside the load, so it has to cost as little as can be: the runtime's own server would take most of that core. */
async function serveOrigin(): Promise<void> {
  const listener = Deno.listen({ hostname, port, ...{ tcpBacklog: 4096 } });
  const answers = originAnswers();
  for await (const connection of listener) {
    connection.setNoDelay(true);
    serveConnection(connection, answers).catch(() => {}).finally(() => connection.close());
  }
}

/** Answers GETs without bodies until the client ends; it has no pipeline. */
async function serveConnection(connection: Deno.Conn, answers: (target: string) => Uint8Array): Promise<void> {
  const buffer = new Uint8Array(HEAD_BYTES);
  const text = new TextDecoder();
  for (let filled = 0; filled < buffer.length;) {
    const size = await connection.read(buffer.subarray(filled));
    if (size === null) return;
    filled += size;
    if (buffer[0] === LETTER_P) continue;
    if (buffer[filled - 1] !== 10 || buffer[filled - 3] !== 10) continue;
    const target = text.decode(buffer.subarray(0, filled)).split(" ", 2)[1]!;
    const answer = answers(target);
    for (let at = 0; at < answer.length;) at += await connection.write(answer.subarray(at));
    filled = 0;
  }
}

/** Whole responses, made once; each second they get another `Date`, in place. */
function originAnswers(): (target: string) => Uint8Array {
  const pad = "x".repeat(1024 - JSON.stringify({ id: 550, pad: "" }).length);
  const json = new TextEncoder().encode(JSON.stringify({ id: 550, pad }));
  const picture = new Uint8Array(100 * 1024);
  for (let at = 0; at < picture.length; at += 51_200) crypto.getRandomValues(picture.subarray(at, at + 51_200));
  picture.set([0xff, 0xd8, 0xff, 0xe0]);
  const movie = new Uint8Array(8 * 1024 * 1024).fill(7);
  const part = movie.subarray(0, 3 * 1024 * 1024);
  const [stored, passed] = ["public, max-age=86400", "no-store"].map((control) => ({
    small: originAnswer(json, "application/json", control),
    large: originAnswer(picture, "image/jpeg", control),
    huge: originAnswer(movie, "video/mp4", control),
    part: originAnswer(part, "video/mp4", control),
  })) as [Answers, Answers];
  setInterval(() => {
    const date = new TextEncoder().encode(new Date().toUTCString());
    for (const answers of [stored, passed]) for (const answer of Object.values(answers)) answer.set(date, DATE_AT);
  }, 1000);
  return (target) => {
    const { small, large, huge, part } = target.startsWith("/ns/") ? passed : stored;
    return target.includes("/i/") ? large : target.includes("/l/") ? huge : target.includes("/x/") ? part : small;
  };
}

interface Answers extends Readonly<Record<string, Uint8Array>> {
  readonly small: Uint8Array;
  readonly large: Uint8Array;
  readonly huge: Uint8Array;
  readonly part: Uint8Array;
}

const HEAD_START = "HTTP/1.1 200 OK\r\nDate: ";
const DATE_AT = HEAD_START.length;

function originAnswer(body: Uint8Array, type: string, control: string): Uint8Array {
  const head = new TextEncoder().encode(
    `${HEAD_START}${new Date().toUTCString()}\r\nServer: origin\r\nContent-Type: ${type}\r\n` +
      `Content-Length: ${body.length}\r\nLast-Modified: Sat, 03 Oct 2026 07:00:00 GMT\r\n` +
      `ETag: "6b0db05f-${body.length.toString(16)}"\r\nCache-Control: ${control}\r\nAccept-Ranges: bytes\r\n\r\n`,
  );
  const answer = new Uint8Array(head.length + body.length);
  answer.set(head);
  answer.set(body, head.length);
  return answer;
}

async function serveMemory(smallUrl: string, largeUrl: string): Promise<void> {
  const [small, large] = [await remembered(smallUrl), await remembered(largeUrl)];
  Deno.serve({ hostname, port, automaticCompression: false, onListen: () => {} }, (request) => {
    const { body, headers } = request.url.includes("/i/") ? large : small;
    return new Response(body, { headers });
  });
}

/** The body and the fields of a response, but for those that the runtime's server writes itself. */
async function remembered(url: string) {
  const response = await fetch(url, { headers: { "accept-encoding": "identity" } });
  const own = ["date", "content-length", "connection", "transfer-encoding"];
  const headers = Object.fromEntries([...response.headers].filter(([name]) => !own.includes(name)));
  return { body: await response.bytes(), headers };
}

function servePassing(origin: string): void {
  const client = Deno.createHttpClient({ http2: false });
  Deno.serve({ hostname, port, automaticCompression: false, onListen: () => {} }, (request) => {
    const { pathname, search } = new URL(request.url);
    return fetch(origin + pathname + search, { client });
  });
}

if (kind === "origin") await serveOrigin();
else if (kind === "memory") await serveMemory(urls[0]!, urls[1]!);
else servePassing(urls[0]!);
