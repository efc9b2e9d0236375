/** The Deno KV file as it was found at the start. */
export interface KvFile {
  /** `null` where it cannot be used: then there is no disk tier, and health is not shared. */
  readonly path: string | null;
  readonly problem: string | null;
}
