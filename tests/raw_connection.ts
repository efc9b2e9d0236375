import { Buffer } from "node:buffer";
import { connect } from "node:net";
import { ByteInbox } from "./origins/byte_inbox.ts";

/** A client's connection whose every byte a test decides, read in portions while the other side is still at work. */
export interface RawConnection extends Disposable {
  /** What has arrived and was not taken yet. */
  readonly inbox: ByteInbox;
  /** Sends bytes as they are (text as Latin-1). */
  send(bytes: string | Uint8Array): void;
  /** The same as `inbox.ended`: the gateway has ended or cut the connection. */
  readonly ended: Promise<void>;
  /** Cuts the connection. */
  close(): void;
}

/** Opens a connection to a port of 127.0.0.1. */
export async function openRaw(port: number): Promise<RawConnection> {
  const socket = connect({ host: "127.0.0.1", port, noDelay: true });
  const inbox = new ByteInbox(socket);
  await new Promise<void>((resolve, reject) => socket.once("connect", resolve).once("error", reject));
  const close = () => void socket.destroy();
  return {
    inbox,
    send: (bytes) => void socket.write(typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes),
    ended: inbox.ended,
    close,
    [Symbol.dispose]: close,
  };
}
