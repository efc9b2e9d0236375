import assert from "node:assert/strict";
import { configOf, problemsOf, SOUND, warningsOf } from "./load_text.ts";

const COLLECTOR = "http://127.0.0.1:4318";

async function tracingOf(yaml: string, env: Readonly<Record<string, string>> = {}) {
  return (await configOf(yaml + SOUND, { env })).tracing;
}

Deno.test("nothing is traced while neither the file nor the environment names a collector", async () => {
  assert.equal(await tracingOf(""), null);
  assert.equal(await tracingOf("tracing: { service_name: s }"), null);
  assert.equal(await tracingOf("", { OTEL_SERVICE_NAME: "s", OTEL_TRACES_SAMPLER: "always_on" }), null);
  assert.match((await warningsOf(`tracing: { sample: 5% }${SOUND}`))[0]!, /no effect: neither/);
});

Deno.test("the file says where traces go, how many, and as whose", async () => {
  assert.deepEqual(await tracingOf(`tracing: { endpoint: "${COLLECTOR}" }`), {
    url: `${COLLECTOR}/v1/traces`,
    headers: {},
    sampling: { ratio: 1, isParentBased: true },
    resource: [["service.name", "usher"]],
  });
  const all = await tracingOf(
    `server: { name: edge }
tracing:
  endpoint: https://otlp.example/otlp/
  headers: { Authorization: "Bearer \${OTLP_TOKEN}" }
  sample: 5%
  parent_based: false
  resource: { deployment.environment.name: home }`,
    { OTLP_TOKEN: "secret" },
  );
  assert.deepEqual(all, {
    url: "https://otlp.example/otlp/v1/traces",
    headers: { authorization: "Bearer secret" },
    sampling: { ratio: 0.05, isParentBased: false },
    resource: [["deployment.environment.name", "home"], ["service.name", "edge"]],
  });
  assert.equal((await tracingOf(`tracing: { endpoint: "${COLLECTOR}/v1/traces" }`))?.url, `${COLLECTOR}/v1/traces`);
});

Deno.test("OpenTelemetry's variables are heeded where the file says nothing", async () => {
  const env = {
    OTEL_EXPORTER_OTLP_ENDPOINT: `${COLLECTOR}/base/`,
    OTEL_EXPORTER_OTLP_HEADERS: "Authorization=Bearer%20a%2Cb, x-tenant=one",
    OTEL_SERVICE_NAME: "gate",
    OTEL_RESOURCE_ATTRIBUTES: "service.name=other,region=de%20mo",
    OTEL_TRACES_SAMPLER: "parentbased_traceidratio",
    OTEL_TRACES_SAMPLER_ARG: "0.25",
  };
  assert.deepEqual(await tracingOf("", env), {
    url: `${COLLECTOR}/base/v1/traces`,
    headers: { authorization: "Bearer a,b", "x-tenant": "one" },
    sampling: { ratio: 0.25, isParentBased: true },
    resource: [["service.name", "gate"], ["region", "de mo"]],
  });
  const traces = {
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "http://collector.example:9/as/it/is",
    OTEL_EXPORTER_OTLP_TRACES_HEADERS: "x-tenant=two",
  };
  const own = await tracingOf("", { ...env, ...traces });
  assert.deepEqual([own?.url, own?.headers["x-tenant"]], ["http://collector.example:9/as/it/is", "two"]);
  const file = await tracingOf(
    `tracing: { endpoint: "http://file.example", headers: { X-Tenant: three }, sample: 1, parent_based: false, service_name: f, resource: { region: fr } }`,
    { ...env, ...traces },
  );
  assert.deepEqual(file, {
    url: "http://file.example/v1/traces",
    headers: { authorization: "Bearer a,b", "x-tenant": "three" },
    sampling: { ratio: 1, isParentBased: false },
    resource: [["service.name", "f"], ["region", "fr"]],
  });
});

Deno.test("each sampler of OpenTelemetry means what it says", async () => {
  const cases: [sampler: string, ratio: number, isParentBased: boolean][] = [
    ["always_on", 1, false],
    ["always_off", 0, false],
    ["traceidratio", 0.5, false],
    ["parentbased_always_on", 1, true],
    ["parentbased_always_off", 0, true],
    ["parentbased_traceidratio", 0.5, true],
  ];
  for (const [sampler, ratio, isParentBased] of cases) {
    const env = {
      OTEL_EXPORTER_OTLP_ENDPOINT: COLLECTOR,
      OTEL_TRACES_SAMPLER: sampler,
      OTEL_TRACES_SAMPLER_ARG: "0.5",
    };
    assert.deepEqual((await tracingOf("", env))?.sampling, { ratio, isParentBased }, sampler);
  }
});

Deno.test("tracing is turned off by the environment, whatever the file says", async () => {
  const yaml = `tracing: { endpoint: "${COLLECTOR}" }`;
  assert.equal(await tracingOf(yaml, { OTEL_SDK_DISABLED: "True" }), null);
  assert.equal(await tracingOf(yaml, { OTEL_TRACES_EXPORTER: "none" }), null);
  assert.notEqual(await tracingOf(yaml, { OTEL_SDK_DISABLED: "", OTEL_TRACES_EXPORTER: "otlp" }), null);
  assert.match((await warningsOf(yaml + SOUND, { env: { OTEL_SDK_DISABLED: "true" } }))[0]!, /turns it off/);
});

Deno.test("what a variable cannot mean is left out and warned of, without its value", async () => {
  const env = {
    OTEL_EXPORTER_OTLP_ENDPOINT: "ftp://user:pw@collector.example",
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: COLLECTOR,
    OTEL_EXPORTER_OTLP_HEADERS: "authorization=ok,bad name=hidden-1,x=hidden-2%0d%0a,y=%zz",
    OTEL_TRACES_SAMPLER: "jaeger_remote",
    OTEL_TRACES_SAMPLER_ARG: "lots",
  };
  const config = await tracingOf("", env);
  assert.deepEqual(config?.headers, { authorization: "ok" });
  assert.deepEqual(config?.sampling, { ratio: 1, isParentBased: true });
  const warnings = await warningsOf(SOUND, { env });
  const names = ["OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG", "OTEL_EXPORTER_OTLP_HEADERS"];
  for (const name of names) assert.ok(warnings.some((line) => line.includes(`${name}: `)), name);
  assert.ok(warnings.every((line) => !/hidden|pw|lots|jaeger_r/.test(line)), warnings.join("\n"));
});

Deno.test("mistakes are told with their place, and no field's value is shown", async () => {
  assert.match((await problemsOf(`tracing: { endpoint: "tcp://x" }${SOUND}`))[0]!, /tracing\.endpoint.*http/);
  assert.match((await problemsOf(`tracing: { sample: 2 }${SOUND}`))[0]!, /tracing\.sample.*from 0 to 1/);
  const [line] = await problemsOf(`tracing: { endpoint: "${COLLECTOR}", headers: { x: "hidden\\nvalue" } }${SOUND}`);
  assert.match(line!, /tracing\.headers\.x.*visible ASCII/);
  assert.doesNotMatch(line!, /hidden/);
});

Deno.test("the examples of docs/tracing.md work", async () => {
  const page = await Deno.readTextFile(new URL("../../docs/tracing.md", import.meta.url));
  const examples = [...page.matchAll(/```yaml\n([^`]*)```/g)].map(([, text]) => text!);
  assert.equal(examples.length, 2);
  for (const text of examples) assert.notEqual((await configOf(text)).tracing, null);
});
