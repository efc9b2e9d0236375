import assert from "node:assert/strict";
import { Agent, get, type IncomingMessage } from "node:http";
import { Client } from "npm:undici@8.13.1";
import { latin1, textOf } from "./read_requests.ts";
import { RESPONSE_CASES, type ResponseCase } from "./response_cases.ts";
import { RESPONSE_DIFFERENCES } from "./response_differences.ts";

/** Serves the bytes of one case to each connection, and ends it. */
function caseServer(text: string) {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const serving = (async () => {
    for await (const connection of listener) {
      await connection.read(new Uint8Array(4096)).catch(() => null);
      await connection.write(latin1(text)).catch(() => {});
      await connection.closeWrite().catch(() => {});
      await connection.read(new Uint8Array(4096)).catch(() => null);
      connection.close();
    }
  })();
  return {
    port: listener.addr.port,
    async [Symbol.asyncDispose]() {
      listener.close();
      await serving;
    },
  };
}

/** What a client makes of a response: status and content, or that there is none or that it breaks off. */
function summary(status: number, body: string | null): string {
  return body === null ? "fails" : `${status} ${JSON.stringify(body.slice(0, 40))}`;
}

function ours({ taken }: ResponseCase): string {
  return taken === null ? "fails" : summary(taken.status, taken.body);
}

async function undici({ method, text }: ResponseCase): Promise<string> {
  await using server = caseServer(text);
  const client = new Client(`http://127.0.0.1:${server.port}`, { bodyTimeout: 5_000, headersTimeout: 5_000 });
  try {
    const { statusCode, body } = await client.request({ method: method as "GET", path: "/" });
    const bytes = await body.arrayBuffer().catch(() => null);
    return summary(statusCode, bytes === null ? null : textOf(new Uint8Array(bytes)));
  } catch {
    return "fails";
  } finally {
    await client.destroy();
  }
}

async function node({ method, text }: ResponseCase): Promise<string> {
  await using server = caseServer(text);
  const agent = new Agent({ keepAlive: false });
  try {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      get({ host: "127.0.0.1", port: server.port, method, agent }, resolve).on("error", reject);
    });
    const chunks: Uint8Array[] = [];
    const isWhole = await new Promise<boolean>((resolve) => {
      response.on("data", (chunk) => chunks.push(chunk)).on("end", () => resolve(response.complete))
        .on("error", () => resolve(false)).on("aborted", () => resolve(false));
    });
    return summary(response.statusCode!, isWhole ? chunks.map(textOf).join("") : null);
  } catch {
    return "fails";
  } finally {
    agent.destroy();
  }
}

Deno.test("every difference of responses that is listed has the section of its case", () => {
  const sections = new Map(RESPONSE_CASES.map(({ name, section }) => [name, section]));
  for (const { name, section } of RESPONSE_DIFFERENCES) assert.equal(section, sections.get(name), name);
});

for (const [name, client] of [["undici", undici], ["node", node]] as const) {
  Deno.test(`against ${name}'s parser of responses there are the differences that are listed, and no other`, async () => {
    const found: Record<string, string> = {};
    for (const one of RESPONSE_CASES) {
      const theirs = await client(one);
      if (theirs !== ours(one)) found[one.name] = theirs;
    }
    const listed = RESPONSE_DIFFERENCES.filter((one) => one[name] !== "=").map((one) => [one.name, one[name]]);
    assert.deepEqual(found, Object.fromEntries(listed));
  });
}
