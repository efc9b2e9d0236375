/** Lengths of bodies that a killed writer writes: in the record, in one commit, and in several. */
export const CRASH_LENGTHS: readonly number[] = [0, 700, 15_000, 17_000, 120_000, 650_000, 1_500_000, 2_500_000];

/** Keys that it writes under. */
export function crashKey(n: number): string {
  return `listener${n % 3}\0\0/${n}`;
}
