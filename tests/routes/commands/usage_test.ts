import assert from "node:assert/strict";
import { usageTable } from "../../../routes/commands/usage.ts";

Deno.test("usageTable() has a row a day, listener and client, with numbers below each other", () => {
  const rows = [
    { day: "2026-03-02", listener: "api", client: "kodi", requests: 1_204, hits: 1_083, bytes: 5_300_000 },
    { day: "2026-03-02", listener: "images", client: null, requests: 3, hits: 0, bytes: 100 },
  ];
  assert.equal(
    usageTable(rows),
    `day (UTC)   listener  client  requests  hits     sent
2026-03-02  api       kodi        1204  90 %  5175KiB
2026-03-02  images    -              3   0 %     100B`,
  );
  assert.equal(usageTable([]), "Nothing was used in these days");
});
