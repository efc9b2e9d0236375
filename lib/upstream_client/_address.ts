const IPV4 = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/;

/** The four numbers of an IPv4 address, or `null` where the text is none. */
function parseIpv4(text: string): number[] | null {
  const match = IPV4.exec(text);
  if (match === null) return null;
  const octets = match.slice(1).map(Number);
  return octets.every((octet) => octet <= 255) ? octets : null;
}

/** The 16-bit groups of a colon-separated part; `null` where one is no hexadecimal number of up to four digits. */
function parseGroups(part: string): number[] | null {
  if (part === "") return [];
  const texts = part.split(":");
  return texts.every((text) => /^[0-9a-f]{1,4}$/i.test(text)) ? texts.map((text) => parseInt(text, 16)) : null;
}

/** An IPv4 address at the end of an IPv6 one, rewritten as its two groups (RFC 4291 §2.2). */
function withoutDottedTail(text: string): string | null {
  if (!text.includes(".")) return text;
  const colon = text.lastIndexOf(":");
  const octets = parseIpv4(text.slice(colon + 1));
  if (colon < 0 || octets === null) return null;
  const [a = 0, b = 0, c = 0, d = 0] = octets;
  return `${text.slice(0, colon + 1)}${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
}

/** The eight groups of an IPv6 address (without brackets; a zone is dropped), or `null` where the text is none. */
function parseIpv6(text: string): number[] | null {
  const plain = withoutDottedTail(text.replace(/%.*$/, ""));
  if (plain === null || !plain.includes(":")) return null;
  const halves = plain.split("::");
  if (halves.length > 2) return null;
  const head = parseGroups(halves[0] ?? "");
  const tail = parseGroups(halves[1] ?? "");
  if (head === null || tail === null) return null;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 1) return missing === 0 ? head : null;
  return missing < 1 ? null : [...head, ...Array<number>(missing).fill(0), ...tail];
}

/** The 4 or 16 bytes of an IP address (IPv6 without brackets), or `null` where `host` is a name. */
export function ipBytes(host: string): Uint8Array | null {
  const octets = parseIpv4(host);
  if (octets !== null) return Uint8Array.from(octets);
  const groups = parseIpv6(host);
  return groups === null ? null : Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 255]));
}

/** Whether `host` is an IP address rather than a name; IPv6 without brackets. */
export function isIpLiteral(host: string): boolean {
  return parseIpv4(host) !== null || parseIpv6(host) !== null;
}

/**
 * Without 198.18.0.0/15, although it is no public range: local proxies that answer every name from it are in use, and their users
 * could reach no upstream.
 */
function isPrivateIpv4([a = 0, b = 0, c = 0]: number[]): boolean {
  if (a === 0 || a === 10 || a === 127 || a >= 224) return true;
  if (a === 100) return b >= 64 && b < 128;
  if (a === 169) return b === 254;
  if (a === 172) return b >= 16 && b < 32;
  return a === 192 && (b === 168 || (b === 0 && c === 0));
}

/** The IPv4 address inside an IPv4-mapped (RFC 4291 §2.5.5.2) or NAT64 (RFC 6052 §2.1) address, else `null`. */
function embeddedIpv4(groups: number[]): number[] | null {
  const [first = 0, second = 0, , , , fifth = 0, high = 0, low = 0] = groups;
  const isMapped = groups.slice(0, 5).every((group) => group === 0) && fifth === 0xffff;
  const isNat64 = first === 0x64 && second === 0xff9b && groups.slice(2, 6).every((group) => group === 0);
  return isMapped || isNat64 ? [high >> 8, high & 255, low >> 8, low & 255] : null;
}

/**
 * Whether an address is loopback, private, link-local, multicast or otherwise not one that a public name should have (RFC 6890). A
 * text that is no address counts as private.
 */
export function isPrivateAddress(address: string): boolean {
  const octets = parseIpv4(address);
  if (octets !== null) return isPrivateIpv4(octets);
  const groups = parseIpv6(address);
  if (groups === null) return true;
  const embedded = embeddedIpv4(groups);
  if (embedded !== null) return isPrivateIpv4(embedded);
  const first = groups[0] ?? 0;
  // ::/16 holds the unspecified and the loopback address; fc00::/7 unique local; fe80::/10 link-local; ff00::/8 multicast.
  return first === 0 || (first & 0xfe00) === 0xfc00 || (first & 0xffc0) === 0xfe80 || (first & 0xff00) === 0xff00;
}

/** IPv4 ranges that are no private ones and that nobody on the Internet has: for documentation, and of relays that are gone. */
function isReservedIpv4([a = 0, b = 0, c = 0]: number[]): boolean {
  return (a === 192 && ((b === 0 && c === 2) || (b === 88 && c === 99))) || (a === 198 && b === 51 && c === 100) ||
    (a === 203 && b === 0 && c === 113);
}

/**
 * Whether an address is one of the public Internet. Stricter than {@linkcode isPrivateAddress}: it is asked where a stranger names the
 * place. IPv4 in an IPv6 form is refused but behind NAT64, where name servers make it up (RFC 6147); so are tunnels' addresses, which
 * hold an IPv4 address (6to4, Teredo).
 */
export function isInternetAddress(address: string): boolean {
  if (isPrivateAddress(address)) return false;
  const octets = parseIpv4(address);
  if (octets !== null) return !isReservedIpv4(octets);
  const groups = parseIpv6(address)!;
  const [first = 0, second = 0] = groups;
  if (first === 0x64) {
    const embedded = embeddedIpv4(groups);
    return embedded !== null && !isReservedIpv4(embedded);
  }
  // Global unicast (2000::/3) less 2001::/23, documentation and 6to4 (RFC 6890).
  const isSpecial = (first === 0x2001 && (second < 0x200 || second === 0xdb8)) || first === 0x2002 ||
    (first === 0x3fff && second < 0x1000);
  return first >= 0x2000 && first <= 0x3fff && !isSpecial;
}

const LOCAL_SUFFIX = /\.(localhost|local|internal|intranet|lan|home|corp|private|test|home\.arpa)$/;

/** Whether `host` is a name of the public DNS: not an address, not a single label, not under a suffix of local networks. */
export function isPublicName(host: string): boolean {
  const name = host.toLowerCase().replace(/\.$/, "");
  return name.includes(".") && !isIpLiteral(name) && !LOCAL_SUFFIX.test(name);
}
