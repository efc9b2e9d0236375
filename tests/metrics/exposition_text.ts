/** One line of the Prometheus text format. */
export interface ReadSample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** What an exposition says: samples, and help and type by metric name. */
export interface ReadExposition {
  readonly samples: readonly ReadSample[];
  readonly help: ReadonlyMap<string, string>;
  readonly types: ReadonlyMap<string, string>;
}

const SAMPLE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,|$)/y;

/**
 * Reads the Prometheus text format (version 0.0.4) strictly.
 *
 * @throws {Error} for a line that is not of the format, and for a sample that comes twice
 */
export function readExposition(text: string): ReadExposition {
  const samples: ReadSample[] = [];
  const help = new Map<string, string>();
  const types = new Map<string, string>();
  const seen = new Set<string>();
  if (!text.endsWith("\n")) throw new Error("The last line has no end");
  for (const line of text.split("\n").filter((each) => each !== "")) {
    const comment = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line);
    if (comment !== null) {
      const [, kind, name, said] = comment;
      const map = kind === "HELP" ? help : types;
      if (map.has(name!)) throw new Error(`${kind} of ${name} comes twice`);
      map.set(name!, said!);
      continue;
    }
    const sample = readSample(line);
    const identity = JSON.stringify([sample.name, Object.entries(sample.labels).sort()]);
    if (seen.has(identity)) throw new Error(`A sample comes twice: ${line}`);
    seen.add(identity);
    samples.push(sample);
  }
  return { samples, help, types };
}

function readSample(line: string): ReadSample {
  const match = SAMPLE.exec(line);
  if (match === null) throw new Error(`Not of the format: ${line}`);
  const [, name, inner = "", value] = match;
  const number = value === "+Inf" ? Infinity : Number(value);
  if (Number.isNaN(number)) throw new Error(`No number: ${line}`);
  return { name: name!, labels: readLabels(inner), value: number };
}

function readLabels(text: string): Record<string, string> {
  const labels: Record<string, string> = {};
  for (let at = 0; at < text.length;) {
    LABEL.lastIndex = at;
    const match = LABEL.exec(text);
    if (match === null) throw new Error(`Not labels: ${text}`);
    labels[match[1]!] = match[2]!.replace(/\\(.)/g, (_, sign) => sign === "n" ? "\n" : sign);
    at = LABEL.lastIndex;
  }
  return labels;
}
