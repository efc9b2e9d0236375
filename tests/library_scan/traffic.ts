/** A request by its method and target. */
export interface Seen {
  readonly method: string;
  readonly target: string;
}

/** How many requests there were of each route class. */
export type Traffic = Readonly<Record<string, number>>;

/** Route classes of a scan, in the order of the table; the first whose expression fits a request is its class. */
const CLASSES: ReadonlyArray<readonly [name: string, expression: RegExp]> = [
  ["configuration, genres", /^GET \/3\/(configuration|genre)\b/],
  ["search", /^GET \/3\/search\//],
  ["details with appended parts", /^GET \/3\/movie\/\d+(\?|$)/],
  ["images", /^GET \/t\/p\//],
  ["session made with GET", /^GET \/3\/authentication\//],
  ["rating written", /^POST \/3\/movie\/\d+\/rating\b/],
  ["rating deleted", /^DELETE \/3\/movie\/\d+\/rating\b/],
  ["account states, rated list", /^GET \/3\/(movie\/\d+\/account_states|guest_session\/)/],
];

/** Classes whose responses are one user's, or that change something: each request of them has to reach the origin. */
export const PRIVATE_CLASSES: readonly string[] = CLASSES.slice(4).map(([name]) => name);

/** All classes. */
export const ALL_CLASSES: readonly string[] = CLASSES.map(([name]) => name);

/** The class of a request. @throws {Error} where it is of none */
export function classOf({ method, target }: Seen): string {
  const found = CLASSES.find(([, expression]) => expression.test(`${method} ${target}`));
  if (found === undefined) throw new Error(`No class is for ${method} ${target}`);
  return found[0];
}

/** Counts requests by class. @throws {Error} where one is of none */
export function trafficOf(requests: readonly Seen[]): Traffic {
  const counts = Object.fromEntries(ALL_CLASSES.map((name) => [name, 0]));
  for (const request of requests) counts[classOf(request)]!++;
  return counts;
}

/** The sum of some classes. */
export function sumOf(traffic: Traffic, classes: readonly string[] = ALL_CLASSES): number {
  return classes.reduce((sum, name) => sum + traffic[name]!, 0);
}
