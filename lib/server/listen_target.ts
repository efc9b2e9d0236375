import type { TlsFront } from "./tls_identity.ts";

/** Peer of a connection over a unix socket. */
export const UNIX_PEER = "unix";

/** Whether the system spreads the connections of one port over several workers; elsewhere one worker serves alone. */
export const SHARES_PORTS = Deno.build.os === "linux";

/** Where a server listens. */
export type ListenTarget =
  | {
    readonly hostname: string;
    /** 0 has the system choose one. */
    readonly port: number;
    /** Other workers listen on the same port; only where {@linkcode SHARES_PORTS}. */
    readonly reusePort?: boolean;
  }
  | {
    /** Path of a unix socket. The socket of a dead process is replaced. */
    readonly path: string;
    /** Permissions of the socket's file; those of the process's umask where it is not given. */
    readonly mode?: number;
    /** The previous listener is known to be gone: its socket's file is replaced. */
    readonly replacesFile?: boolean;
  };

/** Options of one listen address. */
export interface ListenOptions {
  /** Connections of trusted peers, and all over a unix socket, begin with a PROXY header, which names the client. */
  readonly hasProxyHeader?: boolean;
  /** The certificates that TLS is spoken with; `null` for plain connections. */
  readonly tls?: TlsFront | null;
}
