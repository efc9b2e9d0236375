import { language } from "./words.js";

const NOTHING = "–";

function formatted(value, options) {
  return new Intl.NumberFormat(language(), options).format(value);
}

function withUnit(value, unit, digits = 0) {
  return formatted(value, { style: "unit", unit, unitDisplay: "short", maximumFractionDigits: digits });
}

/** A count: whole up to 99,999, shortened above. */
export function count(value) {
  if (value === null || value === undefined) return NOTHING;
  return value < 100_000 ? formatted(value) : formatted(value, { notation: "compact", maximumFractionDigits: 1 });
}

/** So many a second: with a decimal while it is small. */
export function rate(value) {
  if (value === null || value === undefined) return NOTHING;
  return formatted(value, { maximumFractionDigits: value < 10 ? 1 : 0 });
}

/** A part from 0 to 1 as per cent; 99.96 % is not 100 %. */
export function percent(value) {
  if (value === null || value === undefined) return NOTHING;
  const shown = value < 1 && value > 0.999 ? 0.999 : value;
  const digits = shown > 0.99 && shown < 1 ? 1 : 0;
  return formatted(shown, { style: "percent", maximumFractionDigits: digits });
}

const SIZES = ["B", "KiB", "MiB", "GiB", "TiB"];

/** A size in bytes, in powers of 1024 as the configuration writes them. */
export function bytes(value) {
  if (value === null || value === undefined) return NOTHING;
  let power = 0;
  while (value >= 1024 && power < SIZES.length - 1) {
    value /= 1024;
    power++;
  }
  return `${formatted(value, { maximumFractionDigits: value < 10 && power > 0 ? 1 : 0 })} ${SIZES[power]}`;
}

/** A time in milliseconds, short or long. */
export function ms(value) {
  if (value === null || value === undefined) return NOTHING;
  if (value >= 999.5) return withUnit(value / 1000, "second", value < 9_950 ? 1 : 0);
  return withUnit(value, "millisecond", value < 1 ? 2 : value < 9.95 ? 1 : 0);
}

/** A span in seconds by its two largest units. */
export function span(seconds) {
  if (seconds === null || seconds === undefined) return NOTHING;
  const parts = [["day", 86_400], ["hour", 3_600], ["minute", 60], ["second", 1]];
  const first = parts.findIndex(([, size]) => seconds >= size);
  if (first === -1) return withUnit(0, "second");
  const [unit, size] = parts[first];
  const whole = Math.floor(seconds / size);
  const next = parts[first + 1];
  const rest = next === undefined || first > 1 ? 0 : Math.floor((seconds - whole * size) / next[1]);
  return rest === 0 ? withUnit(whole, unit) : `${withUnit(whole, unit)} ${withUnit(rest, next[0])}`;
}

/** By how much the gateway's clock is ahead of this machine's; a second is what a date does not tell. */
let aheadMs = 0;

/** Takes the gateway's clock from the date of an answer that has just come: its times are told by it. */
export function followClock(date) {
  const ahead = Date.parse(date ?? "") - Date.now();
  aheadMs = Math.abs(ahead) > 2_000 ? ahead : 0;
}

/** How long ago a time was, in words. */
export function ago(time) {
  if (time === null || time === undefined) return NOTHING;
  const seconds = Math.max(0, (Date.now() + aheadMs - Date.parse(time)) / 1000);
  const format = new Intl.RelativeTimeFormat(language(), { numeric: "auto", style: "short" });
  if (seconds < 60) return format.format(-Math.floor(seconds), "second");
  if (seconds < 3_600) return format.format(-Math.floor(seconds / 60), "minute");
  if (seconds < 86_400) return format.format(-Math.floor(seconds / 3_600), "hour");
  return format.format(-Math.floor(seconds / 86_400), "day");
}

/** Hour, minute and second of a time. */
export function clock(time) {
  return new Date(time).toLocaleTimeString(language(), { hour: "2-digit", minute: "2-digit", second: "2-digit" });
}

/** A time in full. */
export function moment(time) {
  return new Date(time).toLocaleString(language());
}
