import assert from "node:assert/strict";
import { parse } from "yaml";
import { readText } from "../house/source_tree.ts";
import { deployedAlerts, deployedDashboard, groupedBy, metricsIn } from "./deployed.ts";
import { hasPromtool, promtool, WITHOUT_PROMTOOL } from "./promtool.ts";

Deno.test({
  name:
    `deploy/prometheus: promtool takes the rules and the scrape configuration, and each alert fires as it should${WITHOUT_PROMTOOL}`,
  ignore: !hasPromtool,
  async fn() {
    for (
      const args of [
        ["check", "rules", "deploy/prometheus/alerts.yml"],
        ["check", "config", "deploy/prometheus/prometheus.yml"],
        ["test", "rules", "deploy/prometheus/alerts_test.yml"],
      ]
    ) {
      const { code, output } = await promtool(args);
      assert.equal(code, 0, output);
      assert.match(output, /SUCCESS/);
    }
  },
});

Deno.test("deploy/prometheus: each alert has a test of its rule, and a paragraph in docs/alerts.md", () => {
  const tested = (parse(readText("deploy/prometheus/alerts_test.yml")) as {
    tests: readonly { alert_rule_test: readonly { alertname: string; exp_alerts: readonly unknown[] }[] }[];
  }).tests.flatMap((test) => test.alert_rule_test);
  const page = readText("docs/alerts.md");
  for (const { alert, annotations, labels } of deployedAlerts()) {
    assert.ok(tested.some(({ alertname, exp_alerts }) => alertname === alert && exp_alerts.length > 0), alert);
    assert.equal(annotations.runbook, `docs/alerts.md#${alert.toLowerCase()}`);
    const paragraph = new RegExp(`^## ${alert}\n\n([\\s\\S]*?)(?=\n#|$(?![\\s\\S]))`, "m").exec(page)?.[1] ?? "";
    assert.ok(paragraph.length > 100, `docs/alerts.md says nothing of ${alert}`);
    assert.ok(["warning", "critical"].includes(labels.severity), alert);
  }
  const written = [...page.matchAll(/^## (Usher\w+)$/gm)].map(([, name]) => name);
  assert.deepEqual(written.sort(), deployedAlerts().map(({ alert }) => alert).sort());
});

Deno.test("deploy/grafana: the dashboard is one that Grafana imports, its panels side by side, on a data source that is asked for", () => {
  const { uid, schemaVersion, panels, templating } = deployedDashboard();
  assert.ok(uid !== "" && schemaVersion >= 36);
  assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
  assert.deepEqual(templating.list.map(({ name }) => name), ["datasource", "job", "instance", "listener", "pool"]);
  const taken = new Set<string>();
  for (const { title, type, gridPos: { x, y, w, h }, targets } of panels) {
    assert.ok(["row", "stat", "timeseries"].includes(type), title);
    assert.ok(x + w <= 24, title);
    for (let column = x; column < x + w; column++) {
      for (let line = y; line < y + h; line++) {
        assert.ok(!taken.has(`${column} ${line}`), `${title} lies over another panel`);
        taken.add(`${column} ${line}`);
      }
    }
    if (type === "row") continue;
    assert.ok(targets!.length > 0, title);
    for (const { datasource } of targets!) assert.equal(datasource.uid, "${datasource}");
  }
});

Deno.test("metricsIn() and groupedBy() read what a query needs", () => {
  const expr = 'sum by (le, pool) (rate(usher_x_bucket{pool=~"a|b",key!="1"}[5m])) / usher_y > time()';
  assert.deepEqual(metricsIn(expr), [{ name: "usher_x_bucket", labels: ["pool", "key"] }, {
    name: "usher_y",
    labels: [],
  }]);
  assert.deepEqual(groupedBy(expr), ["le", "pool"]);
});
