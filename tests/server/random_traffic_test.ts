import assert from "node:assert/strict";
import type { Arrival } from "../../lib/server/arrival.ts";
import type { Reply } from "../../lib/server/reply.ts";
import { integer, randomPieces, seededRandom } from "../seeded_random.ts";
import { latin1, RawClient, textOf } from "./raw_client.ts";
import { chunksOf, readText, reply, serving, textReply } from "./serving.ts";

const READS = ["all", "none", "first", "cancel"] as const;
const REPLIES = ["bytes", "pieces", "length", "chunked", "none", "head"] as const;

/** One request, and what its handler does with it. */
interface Plan {
  readonly id: number;
  readonly reads: typeof READS[number];
  readonly replies: typeof REPLIES[number];
  readonly waits: number;
  readonly contentBytes: number;
  readonly isChunked: boolean;
  readonly replyBytes: number;
}

function planOf(random: () => number, id: number): Plan {
  const size = () => integer(random, 2 ** integer(random, 18));
  return {
    id,
    reads: READS[integer(random, READS.length)]!,
    replies: REPLIES[integer(random, REPLIES.length)]!,
    waits: integer(random, 4),
    contentBytes: random() < 0.5 ? 0 : size(),
    isChunked: random() < 0.5,
    replyBytes: size(),
  };
}

/** Text of some length that tells from which request it is, and where it is in it. */
function mark(id: number, length: number): string {
  let text = "";
  while (text.length < length) text += `<${id}:${text.length}>`;
  return text.slice(0, length);
}

function messageOf(random: () => number, plan: Plan): string {
  const method = plan.replies === "head" ? "HEAD" : "POST";
  const head = `${method} /${encodeURIComponent(JSON.stringify(plan))} HTTP/1.1\r\nHost: a\r\n` +
    (random() < 0.2 ? `x: ${"y".repeat(integer(random, 5_000))}\r\n` : "");
  const content = mark(plan.id, plan.contentBytes);
  if (content === "") return `${head}\r\n`;
  if (!plan.isChunked) return `${head}Content-Length: ${content.length}\r\n\r\n${content}`;
  const chunks = randomPieces(random, latin1(content)).map((piece) =>
    `${piece.length.toString(16)}\r\n${textOf(piece)}\r\n`
  );
  return `${head}Transfer-Encoding: chunked\r\n\r\n${chunks.join("")}0\r\n\r\n`;
}

async function serve({ target, body }: Arrival): Promise<Reply> {
  const plan: Plan = JSON.parse(decodeURIComponent(target.slice(1)));
  const expected = mark(plan.id, plan.contentBytes);
  for (let turn = 0; turn < plan.waits; turn++) await new Promise((resolve) => setTimeout(resolve, 0));
  if (plan.reads === "all") assert.ok(await readText(body) === expected, "content of another request");
  if (plan.reads === "first" || plan.reads === "cancel") {
    const chunk = await body?.read();
    if (chunk) assert.ok(expected.startsWith(textOf(chunk)), "content of another request");
  }
  if (plan.reads === "cancel") body?.cancel();
  const text = mark(plan.id, plan.replyBytes);
  if (plan.replies === "none") return reply({ status: 204 });
  if (plan.replies === "bytes" || plan.replies === "head") return textReply(text);
  if (plan.replies === "pieces") return reply({ body: [latin1(text.slice(0, 9)), latin1(text.slice(9))] });
  const source = chunksOf(...randomPieces(seededRandom(plan.id), latin1(text)).map(textOf));
  return reply({ body: source, lengthBytes: plan.replies === "length" ? text.length : null });
}

async function converse(address: string, random: () => number, firstId: number): Promise<void> {
  const plans = Array.from({ length: 1 + integer(random, 12) }, (_, at) => planOf(random, firstId + at));
  using client = await RawClient.to(address);
  const sending = (async () => {
    for (const piece of randomPieces(random, latin1(plans.map((plan) => messageOf(random, plan)).join("")))) {
      await client.send(piece);
      if (random() < 0.2) await new Promise((resolve) => setTimeout(resolve, 0));
    }
  })();
  for (const plan of plans) {
    const { status, body, field } = await client.response(plan.replies === "head" ? "HEAD" : "POST");
    assert.equal(status, plan.replies === "none" ? 204 : 200, JSON.stringify(plan));
    const expected = mark(plan.id, plan.replyBytes);
    assert.ok(body === (plan.replies === "none" || plan.replies === "head" ? "" : expected), JSON.stringify(plan));
    if (plan.replies === "head") assert.equal(field("content-length"), String(expected.length));
  }
  await sending;
}

Deno.test("requests and replies of every kind keep their order and content, whatever comes when", async () => {
  const random = seededRandom(20_261_130);
  await using running = await serving(serve);
  for (let round = 0; round < 25; round++) {
    await Promise.all(Array.from({ length: 6 }, (_, at) => converse(running.address, random, round * 1000 + at * 20)));
  }
  assert.deepEqual(running.faults, []);
  assert.equal(running.server.counts.malformed, 0);
});
