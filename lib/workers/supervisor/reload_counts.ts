/** What has come of reloads since the start, for `/metrics`. */
export class ReloadCounts {
  #succeeded = 0;
  #failed = 0;
  #isGood = true;
  #succeededAtMs = Date.now();
  #tookMs: number | null = null;

  get succeeded(): number {
    return this.#succeeded;
  }

  get failed(): number {
    return this.#failed;
  }

  /** Whether the last one succeeded; the start counts as one. */
  get isGood(): boolean {
    return this.#isGood;
  }

  /** Milliseconds since the Unix epoch at which the configuration in force was taken. */
  get succeededAtMs(): number {
    return this.#succeededAtMs;
  }

  /** How long the last one took, in milliseconds; `null` before the first. */
  get tookMs(): number | null {
    return this.#tookMs;
  }

  /** Makes a reload, and counts it by its result. */
  async count<T extends { readonly ok: boolean }>(reload: () => Promise<T>): Promise<T> {
    const beganMs = performance.now();
    const result = await reload();
    this.#tookMs = performance.now() - beganMs;
    this.#isGood = result.ok;
    if (result.ok) this.#succeeded++;
    else this.#failed++;
    if (result.ok) this.#succeededAtMs = Date.now();
    return result;
  }
}
