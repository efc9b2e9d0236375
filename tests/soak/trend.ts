/** A figure over time. */
export interface Point {
  readonly seconds: number;
  readonly value: number;
}

/** What a figure did after the warm-up. */
export interface Trend {
  readonly mean: number;
  readonly least: number;
  readonly most: number;
  /** By the line that fits best, from the first point to the last. */
  readonly change: number;
  /** The same for an hour. */
  readonly perHour: number;
}

/**
 * The trend of a figure by least squares.
 *
 * @throws {RangeError} of fewer than two points
 */
export function trendOf(points: readonly Point[]): Trend {
  const [first, last] = [points[0], points.at(-1)];
  if (first === undefined || last === undefined || first === last) throw new RangeError("A trend needs two points");
  const values = points.map(({ value }) => value);
  const meanOf = (numbers: readonly number[]) => numbers.reduce((sum, one) => sum + one, 0) / numbers.length;
  const mean = meanOf(values);
  const middle = meanOf(points.map(({ seconds }) => seconds));
  const spread = points.reduce((sum, { seconds }) => sum + (seconds - middle) ** 2, 0);
  const slope = points.reduce((sum, { seconds, value }) => sum + (seconds - middle) * (value - mean), 0) / spread;
  const change = slope * (last.seconds - first.seconds);
  return { mean, least: Math.min(...values), most: Math.max(...values), change, perHour: slope * 3_600 };
}

/** Whether a figure has grown by no more than `share` of its mean, or by no more than `least`. */
export function isFlat(
  { change, mean }: Trend,
  { share, least }: { readonly share: number; readonly least: number },
): boolean {
  return change <= Math.max(share * mean, least);
}
