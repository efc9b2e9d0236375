import uPlot from "uplot";
import { html, useEffect, useRef } from "htm/preact/standalone";
import { count, ms, percent, rate } from "./shown.js";
import { sum } from "./model.js";
import { Section } from "./parts.js";
import { language, t } from "./words.js";

/** How the cache took part, from the bottom of the chart to its top, with the words for it. */
const RESULTS = ["memory", "disk", "shared", "collapsed", "stale", "revalidated", "miss", "bypass"];
const FROM_CACHE = ["memory", "disk", "shared", "collapsed", "stale"];
const SHORTEST_SECONDS = 120;
const CHART_HEIGHT = 220;
/** Below it a logarithmic scale shows nothing. */
const LEAST_MS = 0.05;

function title(result) {
  return {
    memory: t("memory"),
    disk: t("disk"),
    shared: t("other gateways"),
    collapsed: t("collapsed"),
    stale: t("stale"),
    revalidated: t("revalidated"),
    miss: t("miss"),
    bypass: t("bypass"),
    errors: t("errors 5xx"),
  }[result];
}

/** The charts of the last 15 minutes: requests by how the cache took part, and how long they took. */
export function Charts({ samples, look }) {
  const ends = samples.map(({ at }) => Date.parse(at) / 1000);
  const perSecond = (value, index) => value / (index === 0 ? 5 : Math.max(1, ends[index] - ends[index - 1]));
  const minute = samples.slice(-12);
  const total = (of) => sum(minute.map(of));
  const asked = total(({ by }) => sum(RESULTS.map((name) => by[name])) - by.bypass);
  const answered = total(({ by }) => sum(FROM_CACHE.map((name) => by[name])));
  const last = samples.at(-1);
  const said = t("{rate} requests a second, {part} of them from the cache, {errors} errors in the last minute", {
    rate: rate(total(({ requests }) => requests) / Math.max(5, minute.length * 5)),
    part: percent(asked === 0 ? null : answered / asked),
    errors: count(total(({ errors }) => errors)),
  });
  const timeSaid = t("Half of the requests took less than {p50}, 99 of 100 less than {p99}", {
    p50: ms(last?.p50_ms),
    p99: ms(last?.p99_ms),
  });
  return html`
    <div class="charts">
      <${Section} id="requests" title=${t("Requests a second")}>
        <div class="card chart-card">
          <${Chart} kind="requests" look=${look} said=${said} data=${stacked(samples, ends, perSecond)} />
          <ul class="legend">${[...RESULTS, "errors"].map((name) =>
            html`<li key=${name}>
          <i class=${`swatch ${name}`} aria-hidden="true"></i>${title(name)}
          <b>${count(total(({ by, errors }) => name === "errors" ? errors : by[name]))}</b>
        </li>`
          )}<li class="legend-note">${t("in the last minute")}</li></ul>
        </div>
        <//>
        <${Section} id="times" title=${t("Response times")}>
          <div class="card chart-card">
            <${Chart} kind="times" look=${look} said=${timeSaid} data=${times(samples, ends)} />
            <ul class="legend">
              <li><i class="swatch p50" aria-hidden="true"></i>${t("half of them")} <b>${ms(last?.p50_ms)}</b></li>
              <li><i class="swatch p99" aria-hidden="true"></i>${t("99 of 100")} <b>${ms(last?.p99_ms)}</b></li>
            </ul>
          </div>
          <//>
          </div>
  `;
}

/** Each area is drawn from the bottom, the highest first: what is below covers it. The errors are a line of their own. */
function stacked(samples, ends, perSecond) {
  const sums = samples.map(() => 0);
  const areas = RESULTS.map((name) => samples.map(({ by }, index) => sums[index] += perSecond(by[name], index)));
  // Where there are none there is no line either, but for its two ends.
  const errors = samples.map(({ errors }, index) => {
    const isNear = errors > 0 || samples[index - 1]?.errors > 0 || samples[index + 1]?.errors > 0;
    return isNear ? perSecond(errors, index) : null;
  });
  return [ends, ...areas.reverse(), errors];
}

function times(samples, ends) {
  const shown = (value) => value === null ? null : Math.max(LEAST_MS, value);
  return [ends, samples.map(({ p99_ms }) => shown(p99_ms)), samples.map(({ p50_ms }) => shown(p50_ms))];
}

/** A chart that is made anew where it has to look otherwise (`look` has changed), and else only gets its data. */
function Chart({ kind, data, look, said }) {
  const place = useRef(null);
  const chart = useRef(null);
  useEffect(() => {
    const made = new uPlot(options(kind, place.current), data, place.current);
    chart.current = made;
    const watch = new ResizeObserver(([{ contentRect }]) => {
      if (contentRect.width > 0) made.setSize({ width: contentRect.width, height: CHART_HEIGHT });
    });
    watch.observe(place.current);
    return () => {
      watch.disconnect();
      made.destroy();
    };
  }, [kind, look]);
  const latest = data[0].at(-1);
  useEffect(() => chart.current?.setData(data), [latest, data[0].length]);
  return html`<div class="chart" role="img" aria-label=${said} ref=${place}></div>`;
}

function options(kind, place) {
  const colour = (name) => colourOf(place, name);
  const isTimes = kind === "times";
  return {
    width: Math.max(240, place.clientWidth),
    height: CHART_HEIGHT,
    padding: [10, 4, 0, 0],
    cursor: { show: false },
    legend: { show: false },
    series: [{}, ...isTimes ? timeSeries(colour) : requestSeries(colour)],
    scales: {
      x: { range: (_, from, to) => [Math.min(from ?? 0, (to ?? 0) - SHORTEST_SECONDS), to ?? 0] },
      y: isTimes ? { distr: 3, range: timeRange } : { range: (_, __, most) => [0, Math.max(1, (most ?? 0) * 1.08)] },
    },
    axes: [
      { ...axis(colour), values: timesOfDay, space: 80, size: 30 },
      isTimes
        ? {
          ...axis(colour, { filter: onlyPowers }),
          filter: onlyPowers,
          values: (_, splits) => splits.map(timeTick),
          size: 58,
        }
        : { ...axis(colour), values: (_, splits) => splits.map(rate), size: 48 },
    ],
  };
}

/** As it is now, light or dark: a canvas knows no variables. */
function colourOf(place, name) {
  place.style.color = `var(--${name})`;
  return getComputedStyle(place).color;
}

function axis(colour, grid = {}) {
  return {
    stroke: colour("muted"),
    font: "11px system-ui, sans-serif",
    grid: { stroke: colour("line"), width: 1, ...grid },
    ticks: { show: false },
    gap: 6,
  };
}

function requestSeries(colour) {
  const areas = [...RESULTS].reverse().map((name) => ({
    fill: colour(`c-${name}`),
    stroke: colour(`c-${name}`),
    width: 1,
    points: { show: false },
  }));
  return [...areas, { stroke: colour("bad"), width: 2, points: { show: false } }];
}

function timeSeries(colour) {
  const line = (name) => ({ stroke: colour(`c-${name}`), width: 2, points: { show: false }, spanGaps: true });
  return [line("p99"), line("p50")];
}

/** Whole powers of ten around what there is. */
function timeRange(_, least, most) {
  if (least === null || least === undefined) return [0.1, 100];
  return [10 ** Math.floor(Math.log10(least)), 10 ** Math.ceil(Math.log10(Math.max(most, least * 1.01)))];
}

/** A logarithmic scale has lines between the powers of ten, which say nothing here. */
function onlyPowers(_, splits) {
  return splits.map((value) => Math.abs(Math.log10(value) % 1) < 1e-6 ? value : null);
}

function timeTick(value) {
  return value === null ? "" : ms(value);
}

/** With seconds where the lines are less than a minute apart. */
function timesOfDay(_, splits) {
  const second = splits[1] - splits[0] < 60 ? { second: "2-digit" } : {};
  const options = { hour: "2-digit", minute: "2-digit", hourCycle: "h23", ...second };
  return splits.map((value) => new Date(value * 1000).toLocaleTimeString(language(), options));
}
