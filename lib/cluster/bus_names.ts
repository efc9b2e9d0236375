/** Keys and channels of the bus of one cluster; all keys are in one slot. */
export interface BusNames {
  /** The stream of messages. */
  readonly stream: string;
  /** Members, by the end of their leases. */
  readonly members: string;
  /** Members, by the position up to which they have applied. */
  readonly positions: string;
  /** Channel that carries each message as it is sent. */
  readonly bell: string;
  /** Channel on which a member hears that others have applied what it sent. */
  readonly acks: (member: string) => string;
}

/** The names of the cluster `name`. */
export function busNames(name: string): BusNames {
  const beginning = `u:${name}:{bus}:`;
  return {
    stream: `${beginning}s`,
    members: `${beginning}m`,
    positions: `${beginning}p`,
    bell: `${beginning}d`,
    acks: (member) => `${beginning}a:${member}`,
  };
}

const A_MS = 4096;

/** The id that an entry of the stream has for its position: `ms-seq`. */
export function idOfPosition(position: number): string {
  return `${Math.floor(position / A_MS)}-${position % A_MS}`;
}

/** The position of an entry of the stream. */
export function positionOfId(id: string): number {
  const [ms, seq] = id.split("-");
  return Number(ms) * A_MS + Number(seq);
}
