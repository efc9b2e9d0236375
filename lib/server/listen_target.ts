import type { TlsFront } from "./tls_identity.ts";

/** Peer of a connection over a unix socket. */
export const UNIX_PEER = "unix";

/** Whether several workers can listen on one port and the system spreads the connections; elsewhere one worker has to serve alone. */
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
    /** Of a unix socket. One that was left behind by a process that died is replaced. */
    readonly path: string;
    /** Permissions of the socket's file; those of the process's umask where it is not given. */
    readonly mode?: number;
    /** Who listens there is gone, though its socket may not be: its file is replaced. */
    readonly isHeir?: boolean;
  };

/** How an address is served. */
export interface ListenOptions {
  /** Connections of trusted peers, and all over a unix socket, begin with a PROXY header, which names the client. */
  readonly hasProxyHeader?: boolean;
  /** The certificates that TLS is spoken with; `null` for plain connections. */
  readonly tls?: TlsFront | null;
}
