/** How far counts are from what these proportions expect: the χ² statistic with `counts.length − 1` degrees of freedom. */
export function chiSquared(counts: readonly number[], proportions: readonly number[]): number {
  const picks = counts.reduce((sum, count) => sum + count, 0);
  const total = proportions.reduce((sum, part) => sum + part, 0);
  return counts.reduce((sum, count, i) => {
    const expected = picks * proportions[i]! / total;
    return sum + (count - expected) ** 2 / expected;
  }, 0);
}

/** The value that the statistic exceeds by chance once in a thousand times (Wilson–Hilferty approximation). */
export function chiSquaredLimit(degrees: number): number {
  const z = 3.0902;
  return degrees * (1 - 2 / (9 * degrees) + z * Math.sqrt(2 / (9 * degrees))) ** 3;
}
