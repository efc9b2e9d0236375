import { Fill, FillBudget } from "../../../lib/cache/flights/fill.ts";
import { Flight } from "../../../lib/cache/flights/flight.ts";
import { PeerFlights } from "../../../lib/cache/flights/peer_flights.ts";
import { patterned, sample } from "../stored_sample.ts";

/** A worker that leads one flight: it answers half of the body and then nothing more. */
addEventListener("message", (event) => {
  const { port, key, bytes } = (event as MessageEvent<{ port: MessagePort; key: string; bytes: number }>).data;
  const head = sample(key, bytes);
  const flight = new Flight(key);
  const fill = Fill.ofLength(bytes);
  fill.push(patterned(bytes).subarray(0, bytes / 2));
  flight.land({ kind: "shared", head, fill });
  const peers = new PeerFlights({
    flightOf: (asked) => asked === key ? flight : undefined,
    heldOf: () => undefined,
    timeoutMs: 600_000,
    budget: new FillBudget(0),
  });
  peers.connect(0, port);
});
