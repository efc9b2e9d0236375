import assert from "node:assert/strict";
import { Duplex } from "node:stream";
import { TlsStream } from "../../lib/wire/tls_stream.ts";

type Sockets = ConstructorParameters<typeof TlsStream>;

Deno.test("TlsStream.write() rejects where the bytes could not be written", async () => {
  const written: number[] = [];
  const socket = new Duplex({
    read() {},
    write(chunk: Uint8Array, _encoding, done) {
      written.push(chunk.length);
      done(written.length > 1 ? new Error("The connection was reset") : null);
    },
  });
  const records = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() });
  const stream = new TlsStream(socket as Sockets[0], records as Sockets[1]);
  assert.equal(await stream.write(new Uint8Array(3)), 3);
  await assert.rejects(stream.write(new Uint8Array(5)), /reset/);
  assert.deepEqual(written, [3, 5]);
  await assert.rejects(stream.write(new Uint8Array(1)));
  stream.close();
});
