import assert from "node:assert/strict";
import { PeerNotices } from "../../../lib/cache/flights/peer_notices.ts";

/** Two workers with a port between them; what each was told. */
function pair(timeoutMs = 5_000) {
  const { port1, port2 } = new MessageChannel();
  const told: [string[], string[]] = [[], []];
  const workers = told.map((keys) => new PeerNotices({ timeoutMs, onForget: (key) => keys.push(key) }));
  return { ports: [port1, port2] as const, told, workers: workers as [PeerNotices, PeerNotices] };
}

Deno.test("PeerNotices.settled() waits until the other worker has forgotten", async () => {
  const { ports, told, workers: [one, two] } = pair();
  one.connect(1, ports[0]);
  two.connect(0, ports[1]);
  one.forget("a");
  one.forget("b");
  assert.deepEqual(told[1], []);
  await one.settled();
  assert.deepEqual(told, [[], ["a", "b"]]);
  for (const port of ports) port.close();
});

Deno.test("PeerNotices.settled() does not wait for a worker that is silent for too long, replaced, or not there", async () => {
  const { ports, workers: [one] } = pair(30);
  await one.settled();
  one.forget("nobody");
  await one.settled();
  one.connect(1, ports[0]);
  one.forget("silent");
  await one.settled();
  const patient = pair(60_000);
  patient.workers[0].connect(1, patient.ports[0]);
  patient.workers[0].forget("lost");
  const settled = patient.workers[0].settled();
  const next = new MessageChannel();
  patient.workers[0].connect(1, next.port1);
  await settled;
  for (const port of [...ports, ...patient.ports, next.port1, next.port2]) port.close();
});

Deno.test("PeerNotices.settled() does not wait for a worker that has died, nor for what is deleted after that", async () => {
  const { ports, workers: [one] } = pair(60_000);
  one.connect(1, ports[0]);
  one.forget("before");
  const settled = one.settled();
  one.disconnect(1);
  await settled;
  one.forget("after");
  await one.settled();
  for (const port of ports) port.close();
});

Deno.test("PeerNotices.settled() does not take what another worker has deleted itself for its answer", async () => {
  const { ports: [own, far], told, workers: [one] } = pair(60_000);
  one.connect(1, own);
  const answers: string[] = [];
  const answered = new Promise<void>((resolve) => {
    far.onmessage = ({ data }) => {
      answers.push(`${data.type} ${data.noticeId}`);
      if (data.type === "forgotten") resolve();
    };
  });
  one.forget("a");
  let isSettled = false;
  const settled = one.settled().then(() => isSettled = true);
  far.postMessage({ type: "forget", noticeId: 1, key: "b" });
  await answered;
  assert.deepEqual([answers, told[0], isSettled], [["forget 1", "forgotten 1"], ["b"], false]);
  far.postMessage({ type: "forgotten", noticeId: 1 });
  await settled;
  for (const port of [own, far]) port.close();
});
