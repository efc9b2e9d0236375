import { parse } from "yaml";
import { readText } from "../house/source_tree.ts";

/** An alert of `deploy/prometheus/alerts.yml`. */
export interface Alert {
  readonly alert: string;
  readonly expr: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary: string; readonly runbook: string };
}

/** The alerts that operators are given. */
export function deployedAlerts(): readonly Alert[] {
  const { groups } = parse(readText("deploy/prometheus/alerts.yml")) as {
    groups: readonly { rules: readonly Alert[] }[];
  };
  return groups.flatMap(({ rules }) => rules);
}

/** A panel of the dashboard. */
export interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly { readonly expr: string; readonly datasource: { readonly uid: string } }[];
}

/** `deploy/grafana/usher.json`. */
export interface Dashboard {
  readonly uid: string;
  readonly schemaVersion: number;
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly { readonly name: string; readonly definition?: string }[] };
  readonly annotations: { readonly list: readonly { readonly expr: string }[] };
}

/** The dashboard that operators are given. */
export function deployedDashboard(): Dashboard {
  return JSON.parse(readText("deploy/grafana/usher.json"));
}

/** Every query that alerts and dashboard make, with where it stands. */
export function deployedQueries(): readonly { readonly place: string; readonly expr: string }[] {
  const { panels, templating, annotations } = deployedDashboard();
  return [
    ...deployedAlerts().map(({ alert, expr }) => ({ place: alert, expr })),
    ...panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => ({ place: title, expr }))),
    ...templating.list.flatMap(({ name, definition }) =>
      definition === undefined ? [] : [{
        place: `$${name}`,
        expr: definition,
      }]
    ),
    ...annotations.list.map(({ expr }) => ({ place: "annotations", expr })),
  ];
}

/** A metric in a query, with the labels that its samples are chosen by. */
export interface QueriedMetric {
  readonly name: string;
  readonly labels: readonly string[];
}

/** The metrics of ours in a query. */
export function metricsIn(expr: string): QueriedMetric[] {
  return [...expr.matchAll(/\b((?:usher|process)_\w+)(?:\{([^}]*)\})?/g)].map(([, name, matchers = ""]) => ({
    name: name!,
    labels: [...matchers.matchAll(/(\w+)\s*(?:=~|!~|!=|=)\s*"/g)].map(([, label]) => label!),
  }));
}

/** The labels that a query groups by. */
export function groupedBy(expr: string): string[] {
  return [...expr.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, labels]) =>
    labels!.split(",").map((label) => label.trim())
  );
}
