const SIGNATURE = [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a];

/** A header of version 2; `command` is PROXY where it is not given. */
export function binaryProxyHeader(
  { command = 0x21, family, addresses }: { command?: number; family: number; addresses: readonly number[] },
): Uint8Array<ArrayBuffer> {
  return new Uint8Array([...SIGNATURE, command, family, addresses.length >> 8, addresses.length & 255, ...addresses]);
}
