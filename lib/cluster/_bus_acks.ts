import { within } from "../clock.ts";
import type { BusMember } from "./bus_listener.ts";

/** A message that was sent, and who has to apply it. */
export interface SentMessage {
  readonly position: number;
  /** By `performance.now()`. */
  readonly sentAtMs: number;
  /** Members whose leases held then, this one left out. */
  readonly living: readonly string[];
  /** Members whose leases were over then. */
  readonly expired: readonly string[];
}

/** How often the engine is asked where an answer does not come. */
const ASK_EVERY_MS = 250;
/** Beyond a lease: for the engine's and this gateway's own turns. */
const GRACE_MS = 400;

/** Waits for members to apply what was sent. */
export class BusAcks {
  readonly #members: () => Promise<readonly BusMember[]>;
  readonly #waiting = new Set<(member: string, position: number) => void>();

  /** `members` asks the engine. */
  constructor(members: () => Promise<readonly BusMember[]>) {
    this.#members = members;
  }

  /** Takes what a member says: `position member`. */
  hear(text: string): void {
    const [, position, member] = /^(\d{1,16}) (.+)$/s.exec(text) ?? [];
    if (member !== undefined) { for (const note of this.#waiting) note(member, Number(position)); }
  }

  /** Waits until each member that lived has applied the message, or has no lease any more. */
  async wait(
    { position, living, expired, sentAtMs }: SentMessage,
    leaseMs: number,
  ): Promise<{ readonly applied: readonly string[]; readonly expired: readonly string[] }> {
    const open = new Set(living);
    const over = new Set(expired);
    const { promise, resolve } = Promise.withResolvers<true>();
    const note = (member: string, at: number) => {
      if (at >= position) open.delete(member);
      if (open.size === 0) resolve(true);
    };
    this.#waiting.add(note);
    if (open.size === 0) resolve(true);
    const untilMs = sentAtMs + leaseMs + GRACE_MS;
    while (!await within(promise, Math.min(ASK_EVERY_MS, untilMs - performance.now()), false)) {
      if (performance.now() >= untilMs) break;
      await this.#ask(open, over, note);
    }
    this.#waiting.delete(note);
    // A lease ends before the engine forgets it, also where the engine cannot be asked.
    for (const member of open) over.add(member);
    return { applied: living.filter((member) => !over.has(member)), expired: [...over].sort() };
  }

  async #ask(open: Set<string>, over: Set<string>, note: (member: string, at: number) => void): Promise<void> {
    const members = await within(this.#members(), ASK_EVERY_MS, []).catch(() => []);
    const known = new Map(members.map((member) => [member.name, member]));
    for (const name of members.length === 0 ? [] : [...open]) {
      const member = known.get(name);
      if (member !== undefined && member.leaseMs <= 0) over.add(name);
      // One that is not there has left.
      note(name, member === undefined || member.leaseMs <= 0 ? Infinity : member.position);
    }
  }
}
