/** Host and port of `host:port`; brackets around an IPv6 address may be missing. */
export function splitAddress(address: string): { readonly hostname: string; readonly port: number } {
  const colon = address.lastIndexOf(":");
  return { hostname: address.slice(0, colon).replace(/^\[|\]$/g, ""), port: Number(address.slice(colon + 1)) };
}
