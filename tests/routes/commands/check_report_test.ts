import assert from "node:assert/strict";
import { checkReport } from "../../../routes/commands/check_report.ts";
import { loadText, SOUND } from "../../config/load_text.ts";

Deno.test("checkReport() counts what a sound file has, and says what it may take", async () => {
  const sized = `server: { workers: 2 }\ncache: { memory: 1GiB, fill_memory: 32MiB, disk: 0 }\n${SOUND}`;
  assert.equal(
    checkReport(await loadText(sized)),
    "memory: some 1305MiB with a full cache, and 1569MiB under load, for 2 workers (1GiB cache, and 32MiB filling in each " +
      "worker); on disk: nothing\n" +
      "config.yaml is valid: 1 listener, 1 pool, 1 upstream",
  );
  const more = SOUND.replace(
    "listeners:",
    "  b: { type: custom, upstreams: [https://b.example, https://c.example] }\nlisteners:",
  );
  assert.match(
    checkReport(await loadText(more)),
    /^warning: config\.yaml:4:3 pools\.b: no listener uses this pool\nmemory: some .*on disk: up to 10GiB\nconfig\.yaml is valid: 1 listener, 2 pools, 3 upstreams$/,
  );
});

Deno.test("checkReport() lists every problem and counts them", async () => {
  assert.equal(
    checkReport(await loadText(`server: { workers: 0, nam: x }${SOUND}`)),
    `config.yaml:1:20 server.workers: found 0 expected auto, or a whole number from 1 to 256
config.yaml:1:23 server.nam: found unknown key "nam" expected one of name, workers, data_dir, shutdown_grace, shutdown_delay, worker_timeout, trusted_proxies, max_request_body, reuse_port, cpu_affinity, watch, limits; did you mean "name"?
2 problems in config.yaml`,
  );
  assert.equal(
    checkReport(await loadText("")),
    "config.yaml: the file is empty or holds only comments: expected `pools` and `listeners`\n1 problem in config.yaml",
  );
});
