/** The last request of a bucket that was traced, as OpenMetrics has it: it leads from a figure to one request behind it. */
export interface Exemplar {
  readonly traceId: string;
  /** In milliseconds. */
  readonly valueMs: number;
  /** Milliseconds since the Unix epoch. */
  readonly atMs: number;
}

/**
 * One counter: a field of the counts, and the samples that `/metrics` makes of it. A new counter is one row in a table, and an addition
 * where it is counted.
 */
export interface Counter {
  readonly field: string;
  /** Metric that shows it; several rows may share one. None where it is not shown by itself. */
  readonly metric?: string;
  /** With the first row of a metric. */
  readonly help?: string;
  /** It falls again: what is so at this moment. */
  readonly isGauge?: boolean;
  readonly labels?: Readonly<Record<string, string>>;
  /** Label of the parts that are counted apart: `names`, or the names that come up, which the configuration or the code bounds. */
  readonly by?: string;
  /** The parts, where they are known: counts are a list in this order. */
  readonly names?: readonly string[];
  /** It is a histogram with these upper bounds, a list that for each part has one bucket a bound and one more. */
  readonly boundsMs?: readonly number[];
  /** What was measured by a histogram, in milliseconds: a sum, or a list of one a part. */
  readonly sumField?: string;
  /** The exemplars of a histogram. */
  readonly exemplarField?: string;
  /** It holds exemplars by the index of their bucket. */
  readonly holdsExemplars?: boolean;
}

/** The counts of a table, as plain data: counting costs an addition. */
export type CountsOf<T extends readonly Counter[]> = {
  [R in T[number] as R["field"]]: R extends { readonly holdsExemplars: true } ? Record<number, Exemplar>
    : R extends { readonly boundsMs: readonly number[] } ? number[]
    : R extends { readonly names: readonly string[] } ? number[]
    : R extends { readonly by: string } ? Record<string, number>
    : number;
};

/** The counts of a table as its rows read them, whichever table it is. */
export type AnyCounts = Record<string, number | number[] | Record<string, number> | Record<number, Exemplar>>;

/** Counts with one or two levels of names above them. */
export type NamedCounts = { [name: string]: AnyCounts | NamedCounts };

/** Nothing counted yet. */
export function newCounts<T extends readonly Counter[]>(counters: T): CountsOf<T> {
  const counts: AnyCounts = {};
  for (const { field, by, names, boundsMs, holdsExemplars } of counters) {
    if (boundsMs !== undefined) counts[field] = zeros((names?.length ?? 1) * (boundsMs.length + 1));
    else if (names !== undefined) counts[field] = zeros(names.length);
    else counts[field] = by !== undefined || holdsExemplars === true ? Object.create(null) : 0;
  }
  return counts as CountsOf<T>;
}

function zeros(length: number): number[] {
  return new Array<number>(length).fill(0);
}

/** A table, and how many levels of names are above its counts. */
export interface NamedTable {
  readonly counters: readonly Counter[];
  readonly levels: number;
}

/** Adds counts to a sum, in place; what the sum lacks is made. */
export function addNamed(sum: NamedCounts, counts: NamedCounts, { counters, levels }: NamedTable): void {
  for (const [name, below] of Object.entries(counts)) {
    if (levels > 1) {
      const part = sum[name] ??= Object.create(null) as NamedCounts;
      addNamed(part as NamedCounts, below as NamedCounts, { counters, levels: levels - 1 });
    } else addRows(counters, (sum[name] ??= newCounts(counters)) as AnyCounts, below as AnyCounts);
  }
}

function addRows(counters: readonly Counter[], sum: AnyCounts, counts: AnyCounts): void {
  for (const { field, holdsExemplars } of counters) {
    const added = counts[field]!;
    if (typeof added === "number") sum[field] = (sum[field] as number) + added;
    else if (Array.isArray(added)) addList(sum[field] as number[], added);
    else if (holdsExemplars !== true) addParts(sum[field] as Record<string, number>, added as Record<string, number>);
    else keepNewest(sum[field] as Record<number, Exemplar>, added as Record<number, Exemplar>);
  }
}

/** A loop over indexes: it runs each second for each listener and worker. */
function addList(sum: number[], counts: readonly number[]): void {
  for (let index = 0; index < counts.length; index++) sum[index]! += counts[index]!;
}

function addParts(sum: Record<string, number>, counts: Readonly<Record<string, number>>): void {
  for (const [name, count] of Object.entries(counts)) sum[name] = (sum[name] ?? 0) + count;
}

function keepNewest(sum: Record<number, Exemplar>, exemplars: Readonly<Record<number, Exemplar>>): void {
  for (const [index, exemplar] of Object.entries(exemplars)) {
    const known = sum[Number(index)];
    if (known === undefined || known.atMs < exemplar.atMs) sum[Number(index)] = exemplar;
  }
}
