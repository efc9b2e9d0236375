import assert from "node:assert/strict";
import { type Asked, asking, type FieldRow } from "./field_row.ts";

const HOST = "tmdb.test";
const SESSION = "session_id=of-alice";

let answers = 0;

/** Good answers, each another one; a target with `refused` in it is not for this user. */
async function answer({ exchange }: Asked): Promise<void> {
  const isRefused = exchange.head.target.includes("refused");
  await exchange.reply({
    status: isRefused ? 401 : exchange.head.method === "POST" ? 201 : 200,
    fields: [["content-type", "application/json"], ["cache-control", "max-age=600"]],
    body: JSON.stringify({ success: !isRefused, status_code: isRefused ? 3 : 1, answer: ++answers }),
  });
}

const GONE = "the old list was served for a quarter of an hour";

function wrote(
  name: string,
  reads: readonly string[],
  writes: readonly string[],
  more: Partial<FieldRow> = {},
): FieldRow {
  const asks = reads.map((target) => asking(`GET ${target}`, HOST));
  const body = '{"media_id":550}';
  return {
    line: "B5",
    name,
    before: GONE,
    fellShort: true,
    requests: [
      ...asks,
      ...writes.flatMap((first) => [
        first.startsWith("GET") ? asking(first, HOST) : asking(first, HOST, [
          "Content-Type: application/json",
          `Content-Length: ${body.length}`,
        ], body),
        ...asks,
        ...asks,
      ]),
    ],
    answer,
    holds({ asked }) {
      const each = reads.length;
      // Read once, and again after each write; what is read a second time then comes from the cache.
      assert.equal(asked.length, each + writes.length * (1 + each));
    },
    ...more,
  };
}

function kept(name: string, requests: readonly string[], asks: number, more: Partial<FieldRow> = {}): FieldRow {
  return {
    line: "B5",
    name,
    before: "the same",
    fellShort: false,
    requests: requests.map((first) => asking(first, HOST)),
    answer,
    holds: ({ asked }) => assert.equal(asked.length, asks),
    ...more,
  };
}

/** B5: what users write is not served as it was, and what names nobody is shared. */
export const writeRows: readonly FieldRow[] = [
  wrote("adding to a list, taking from it and clearing it, v3", ["/3/list/51", "/3/list/51?language=de"], [
    `POST /3/list/51/add_item?${SESSION}`,
    `POST /3/list/51/remove_item?${SESSION}`,
    `POST /3/list/51/clear?${SESSION}&confirm=true`,
  ]),
  wrote("deleting a list, v3 and v4", ["/3/list/52?page=2", "/4/list/52"], [
    `DELETE /3/list/52?${SESSION}`,
    "DELETE /4/list/52",
  ]),
  wrote("adding to a list, changing and emptying it, v4", ["/4/list/53?page=1", "/4/list/53", "/3/list/53"], [
    "POST /4/list/53/items",
    "PUT /4/list/53/items",
    "DELETE /4/list/53/items",
    "PUT /4/list/53",
  ]),
  wrote("GET of /clear empties a list too, v4", ["/4/list/54?language=fr", "/4/list/54"], ["GET /4/list/54/clear"]),
  kept("a rating costs no copy of its title, and its user sees it at once", [
    ...["GET /3/movie/55", `GET /3/movie/55/account_states?${SESSION}`, `POST /3/movie/55/rating?${SESSION}`],
    ...["GET /3/movie/55", `GET /3/movie/55/account_states?${SESSION}`],
  ], 4),
  kept("a write that is refused, and one to another list, leave a list alone", [
    ...["GET /3/list/57", `POST /3/list/57/add_item?${SESSION}&refused`, `DELETE /3/list/58?${SESSION}`],
    ...["GET /3/list/57", "GET /3/list/57"],
  ], 3),
  kept(
    "appended account states are shared where nobody is named",
    [
      "GET /3/movie/59?append_to_response=account_states",
      "GET /3/movie/59?append_to_response=account_states",
      "GET /3/movie/59?append_to_response=account%5Fstates&api_key=0123456789abcdef0123456789abcdef",
    ],
    1,
    { before: "each was asked anew", fellShort: true },
  ),
  kept("and nowhere else", [
    ...["session_id", "guest_session_id"].flatMap((name) => [
      `GET /3/movie/60?append_to_response=account_states&${name}=of-alice`,
      `GET /3/movie/60?append_to_response=account_states&${name}=of-alice`,
    ]),
    "GET /3/movie/60/account_states",
    "GET /3/movie/60/account_states",
  ], 6),
];
