import { hash } from "node:crypto";
import { KEY_SEPARATOR } from "../cache/key.ts";
import type { EntryName } from "./entry_seal.ts";

/** What the keys of a listener stand for; two gateways whose listeners differ in it share nothing. See `gateway/fingerprint.ts`. */
export interface Sharing {
  /** Of all that decides on it, in hexadecimal. */
  readonly fingerprint: string;
}

/** The name of the entry of a cache key. */
export function entryName({ fingerprint }: Sharing, key: string): EntryName {
  return { key, hash: hash("sha256", fingerprint + KEY_SEPARATOR + key).slice(0, 32) };
}

/** Keys of one cluster's entries; those of one entry are in one slot. */
export class EntryKeys {
  readonly #beginning: string;

  /** `cluster` is its name, which keeps several apart on one engine. */
  constructor(cluster: string) {
    this.#beginning = `u:${cluster}:`;
  }

  entry(hash: string): string {
    return `${this.#beginning}e:{${hash}}`;
  }

  lease(hash: string): string {
    return `${this.#beginning}l:{${hash}}`;
  }

  part(hash: string, id: string, index: number): string {
    return `${this.#beginning}b:{${hash}}:${id}:${index}`;
  }

  /** Who waits for an entry hears here that there is something new of it. */
  channel(hash: string): string {
    return `${this.#beginning}f:{${hash}}`;
  }
}
