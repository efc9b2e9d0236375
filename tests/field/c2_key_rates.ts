import assert from "node:assert/strict";
import { type Asked, asking, type FieldRow } from "./field_row.ts";

/** Keys of a pool, each of one digit. */
export function fieldKeys(count: number): string[] {
  return Array.from({ length: count }, (_, index) => String(index + 1).repeat(32));
}

const REQUESTS = 80;
const MAX_RPS = 35;
const BURST = 10;
/** A busy machine may bring together at the origin what left apart. */
const SLACK_SECONDS = 1;

const film = ({ exchange }: Asked) =>
  exchange.reply({ fields: [["content-type", "application/json"], ["cache-control", "max-age=60"]], body: '{"id":1}' });

const tooMany = ({ exchange }: Asked) =>
  exchange.reply({
    status: 429,
    fields: [["content-type", "application/json"], ["retry-after", "60"]],
    body: '{"success":false,"status_code":25,"status_message":"over the limit"}',
  });

function keyOf({ exchange }: Asked): string {
  return /api_key=(\d)/.exec(exchange.head.target)?.[1] ?? "";
}

/** A row that looks when requests come to the origin. */
function rateRow(
  row: Pick<FieldRow, "name" | "before" | "fellShort"> & { host: string; targets: (index: number) => string },
  more: { answer?: (asked: Asked) => Promise<void>; most?: (times: readonly number[]) => void } = {},
): FieldRow {
  const { host, targets, ...rest } = row;
  const times: number[] = [];
  const { answer = film, most = isOneRate } = more;
  return {
    line: "C2",
    ...rest,
    requests: Array.from({ length: REQUESTS }, (_, index) => asking(`GET ${targets(index)}`, `${host}.test`)),
    isAtOnce: true,
    answer(asked) {
      times.push(performance.now());
      return answer(asked);
    },
    holds({ responses }) {
      assert.deepEqual([...new Set(responses.map(({ status }) => status))], [200]);
      most(times.splice(0));
    },
  };
}

function isOneRate(times: readonly number[]): void {
  const seconds = (Math.max(...times) - Math.min(...times)) / 1000;
  const most = BURST + MAX_RPS * (seconds + SLACK_SECONDS);
  assert.ok(times.length <= most, `${times.length} requests in ${seconds.toFixed(2)} s`);
}

const ADDED_UP = "each key had a rate of its own: with more keys there were more requests";

/** C2: what all keys of a pool are given together. */
export const keyRateRows: readonly FieldRow[] = [
  rateRow({
    name: "two keys are given the rate of one",
    before: ADDED_UP,
    fellShort: true,
    host: "c2-two",
    targets: (index) => `/3/movie/${index}`,
  }),
  rateRow({
    name: "five keys are given the rate of one",
    before: ADDED_UP,
    fellShort: true,
    host: "c2-five",
    targets: (index) => `/3/movie/${index}`,
  }),
  rateRow({
    name: "while one of three keys rests the others have its share, and the sum does not rise",
    before: ADDED_UP,
    fellShort: true,
    host: "c2-three",
    targets: (index) => `/3/tv/${index}`,
  }, { answer: (asked) => keyOf(asked) === "1" ? tooMany(asked) : film(asked) }),
  rateRow({
    name: "requests of users, which go with one key, count too",
    before: "they had that key's rate beside what the other key was given",
    fellShort: true,
    host: "c2-users",
    targets: (index) => index % 2 === 0 ? `/3/account/1?session_id=s${index}` : `/3/person/${index}`,
  }),
  rateRow({
    name: "a client's own key is not counted",
    before: "as now",
    fellShort: false,
    host: "c2-two",
    targets: (index) => `/3/collection/${index}?api_key=${"a".repeat(32)}`,
  }, { most: (times) => assert.equal(times.length, REQUESTS) }),
  rateRow({
    name: "with per: key each has its own",
    before: "as now, and there was no other way",
    fellShort: false,
    host: "c2-apart",
    targets: (index) => `/3/keyword/${index}`,
  }, { most: (times) => assert.equal(times.length, REQUESTS) }),
];
