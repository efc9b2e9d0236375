import assert from "node:assert/strict";
import { splitAddress } from "../../../lib/workers/worker/split_address.ts";

Deno.test("splitAddress() takes the host apart from the port", () => {
  const table: [address: string, hostname: string, port: number][] = [
    ["127.0.0.1:6635", "127.0.0.1", 6635],
    ["0.0.0.0:80", "0.0.0.0", 80],
    ["localhost:443", "localhost", 443],
    ["[::1]:6635", "::1", 6635],
    ["::1:6635", "::1", 6635],
    [":::6635", "::", 6635],
    ["[fe80::1]:8080", "fe80::1", 8080],
  ];
  for (const [address, hostname, port] of table) assert.deepEqual(splitAddress(address), { hostname, port }, address);
});
