import assert from "node:assert/strict";
import { Connection } from "../../lib/upstream_client/_connection.ts";
import { Deadlines } from "../../lib/wire/deadlines.ts";
import { UpstreamFailure } from "../../lib/upstream_client/transport.ts";
import { latin1Text, type RawConnection, RawServer } from "./_raw_server.ts";
import { eventually, failureOf, leakless } from "./_sending.ts";

/** The text that has been read and not taken. */
function unread({ bytes, start, end }: Connection): string {
  return latin1Text(bytes.subarray(start, end));
}

/** Ends as `action`, or with the failure that its error stands for. */
async function judged<T>(connection: Connection, action: Promise<T>): Promise<T> {
  try {
    return await action;
  } catch (error) {
    throw connection.failureOf(error);
  }
}

/** A connection and the server's side of it. */
async function withConnection(action: (connection: Connection, other: RawConnection) => Promise<void>): Promise<void> {
  const accepted = Promise.withResolvers<RawConnection>();
  const isOver = Promise.withResolvers<void>();
  await using server = new RawServer((connection) => {
    accepted.resolve(connection);
    return isOver.promise;
  });
  const socket = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
  let closed = 0;
  const connection = new Connection({
    socket,
    authority: "upstream.example:80",
    deadlines: new Deadlines(),
    onClose: () => closed++,
  });
  try {
    await action(connection, await accepted.promise);
  } finally {
    connection.close();
    isOver.resolve();
  }
  assert.equal(closed, 1);
}

Deno.test(
  leakless(
    "writeText() writes each Latin-1 character as one byte, of any length",
    () =>
      withConnection(async (connection, other) => {
        for (const text of ["plain", "caf\xe9 \xff\x80", "a".repeat(5_000), `${"\xe9".repeat(9_000)}!`]) {
          await connection.writeText(text);
          assert.equal(
            await other.readUntil((got) => got.length >= text.length),
            text,
          );
        }
      }),
  ),
);

Deno.test(leakless("fill() appends, makes room and stops at 64 KiB", () =>
  withConnection(async (connection, other) => {
    const sent = other.write("x".repeat(70_000));
    while (connection.end < 65_536) assert.equal(await connection.fill(), true);
    await failureOf(connection.fill(), "protocol");
    connection.start = 60_000;
    assert.equal(await connection.fill(), true);
    assert.equal(connection.start, 0);
    while (connection.end < 10_000) assert.equal(await connection.fill(), true);
    assert.equal(unread(connection), "x".repeat(10_000));
    await sent;
  })));

Deno.test(
  leakless(
    "park() takes a larger buffer after a response that was lent and filled the small one, and goes back",
    () =>
      withConnection(async (connection, other) => {
        const receive = async (lengthBytes: number, isLent = true) => {
          const sent = other.write("x".repeat(lengthBytes));
          while (connection.end < lengthBytes) assert.equal(await connection.fill(), true);
          await sent;
          connection.hasLent = isLent;
          connection.park(10_000);
          connection.unpark();
        };
        const small = connection.bytes.length;
        await receive(small - 1);
        assert.equal(connection.bytes.length, small);
        await receive(small, false);
        assert.equal(connection.bytes.length, small);
        await receive(small);
        assert.equal(connection.bytes.length, 65_536);
        await receive(small + 1);
        assert.equal(connection.bytes.length, 65_536);
        await receive(1);
        assert.equal(connection.bytes.length, small);
      }),
  ),
);

Deno.test(leakless("fill() says false at the end of the stream", () =>
  withConnection(async (connection, other) => {
    await other.write("last");
    other.close();
    assert.equal(await connection.fill(), true);
    assert.equal(await connection.fill(), false);
  })));

Deno.test(
  leakless(
    "park() notices a close and bytes, unpark() makes its read the next one",
    () =>
      withConnection(async (connection, other) => {
        connection.park(10_000);
        connection.unpark();
        await other.write("for the next");
        assert.equal(await connection.fill(), true);
        assert.equal(unread(connection), "for the next");
        connection.park(10_000);
        await other.write("unasked");
        await eventually(() => connection.isClosed);
      }),
  ),
);

Deno.test(leakless("park() closes after its time", () =>
  withConnection(async (connection) => {
    connection.park(5);
    await eventually(() => connection.isClosed);
  })));

Deno.test(
  leakless(
    "arm() fails what is under way with its kind; a closed connection is not armed",
    () =>
      withConnection(async (connection) => {
        connection.arm("first_byte_timeout", 5);
        await failureOf(judged(connection, connection.fill()), "first_byte_timeout");
        await failureOf(judged(connection, connection.fill()), "first_byte_timeout");
        await failureOf(judged(connection, connection.write(new Uint8Array(1))), "first_byte_timeout");
        connection.arm("idle_timeout", 5);
        assert.equal(connection.deadlineMs, Infinity);
      }),
  ),
);

Deno.test(leakless("fail() keeps the first reason", () =>
  withConnection(async (connection) => {
    const first = new UpstreamFailure("aborted", "first", false);
    connection.fail(first);
    connection.fail(new UpstreamFailure("reset", "second", false));
    assert.equal(await failureOf(judged(connection, connection.fill()), "aborted"), first);
    assert.equal(connection.failureOf(new Error("any")), first);
  })));

Deno.test(
  leakless(
    "failureOf() says reset, with what the system said as cause, and whether the request went out",
    () =>
      withConnection(async (connection) => {
        const cause = new Deno.errors.ConnectionReset("reset by peer");
        const before = connection.failureOf(cause);
        await connection.write(new Uint8Array(1));
        const after = connection.failureOf(cause);
        assert.deepEqual([before.kind, before.requestSent, after.requestSent, after.cause], [
          "reset",
          false,
          true,
          cause,
        ]);
      }),
  ),
);
