import { type ByteStream, writeAll } from "../wire/byte_stream.ts";
import { loopTurns } from "../wire/loop_turns.ts";
import type { Input } from "./_input.ts";
import { Memory, takeLargeMemory } from "./_memory.ts";

/** Bytes that nobody looks at, of all tunnels and HTTP/2 connections. */
const LANE = "";

/** Read buffer of the upstream's side while idle; most WebSocket messages fit. */
const WAIT_BYTES = 1536;

/** The part of a client's connection that a tunnel needs. */
export interface TunnelLink {
  readonly input: Input;
  /** Writes all of it to the client. */
  send(bytes: Uint8Array): Promise<void>;
  /** Ends the direction towards the client. */
  endSending(): Promise<void>;
  /** Bytes were copied in either direction. */
  onMoved(): void;
}

/** Copies in both directions until both have ended or one has failed; the end of one is passed on (RFC 9110 §7.8). */
export async function runTunnel(upstream: ByteStream, link: TunnelLink): Promise<void> {
  link.onMoved();
  const directions = [toUpstream(upstream, link), toClient(upstream, link)];
  try {
    await Promise.all(directions);
  } finally {
    closeStream(upstream);
    // The other direction fails then; its error is handled here.
    for (const direction of directions) direction.catch(() => {});
  }
}

async function toUpstream(upstream: ByteStream, link: TunnelLink): Promise<void> {
  const { input } = link;
  for (;;) {
    // Bytes received after the request come first.
    if (input.length > 0) await writeAll(upstream, input.memory.bytes.subarray(input.start, input.end));
    input.use(input.length);
    input.prepareContent(Infinity);
    if (input.isEnded || !input.took(await input.read())) break;
    link.onMoved();
    await loopTurns.step(LANE, input.length);
  }
  await upstream.closeWrite();
}

async function toClient(upstream: ByteStream, link: TunnelLink): Promise<void> {
  const small = new Memory(WAIT_BYTES);
  for (let memory = small;;) {
    const count = await upstream.read(memory.bytes);
    if (count === null) break;
    link.onMoved();
    await loopTurns.step(LANE, count);
    await link.send(memory.bytes.subarray(0, count));
    const isBusy = count === memory.sizeBytes;
    if (isBusy === (memory !== small)) continue;
    if (memory !== small) memory.release();
    memory = isBusy ? takeLargeMemory() : small;
  }
  await link.endSending();
}

/** Closes a stream on which something broke off, so that the other side can tell. */
export function abortStream(stream: ByteStream): void {
  if (stream.abort === undefined) closeStream(stream);
  else stream.abort();
}

/** Closes a stream that may be closed already: a second close of a socket throws. */
export function closeStream(stream: ByteStream): void {
  try {
    stream.close();
  } catch {
    // Closed before.
  }
}
