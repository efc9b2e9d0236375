import assert from "node:assert/strict";
import { shownClient } from "../../lib/logging/client_address.ts";

Deno.test("shownClient() leaves of an address as much as it is asked to", () => {
  const cases: readonly (readonly [address: string, network: string])[] = [
    ["192.0.2.77", "192.0.2.0/24"],
    ["2001:db8:a:b:c:d:e:f", "2001:db8:a::/48"],
    ["2001:db8::1", "2001:db8::/48"],
    ["2001:0db8:00a0::1", "2001:db8:a0::/48"],
    ["::1", "::/48"],
    ["fe80::1%eth0", "fe80::/48"],
    ["64:ff9b:1::192.0.2.7", "64:ff9b:1::/48"],
    ["unix", "unix"],
  ];
  for (const [address, network] of cases) {
    assert.deepEqual(
      [shownClient(address, "full"), shownClient(address, "network"), shownClient(address, "off")],
      [address, network, null],
    );
  }
});
