import { createHash } from "node:crypto";
import { GatewayError } from "../errors.ts";
import { carefulPath, escapedPath } from "../http/careful_path.ts";
import type { FieldChange } from "../http/field_changes.ts";
import { hasDotSegment } from "../http/target.ts";
import { type LinearPattern, linearPattern } from "../pattern/linear_pattern.ts";
import { type Template, template } from "../pattern/template.ts";
import type { RequestChange } from "../request/ruling.ts";
import { decodedParameter } from "./condition.ts";
import type { RequestRule } from "./rule_options.ts";

/** What one rule changes in requests, compiled. */
export interface CompiledRequest {
  readonly fields: readonly { readonly change: FieldChange; readonly value: Template | null }[];
  readonly rewrite: { readonly from: LinearPattern | null; readonly to: Template } | null;
  readonly removedParameters: readonly string[];
  readonly parameters: readonly { readonly name: string; readonly value: Template }[];
  /** It is the same for every request: no path or query is changed, and no text is filled. */
  readonly isFixed: boolean;
  /** Some text is filled with what the wildcards of the rule's path took. */
  readonly needsMatch: boolean;
}

/**
 * Compiles what a rule changes in requests.
 *
 * @throws {PatternError} its expression cannot be used
 */
export function compileRequest({ fields, rewrite, query }: RequestRule): CompiledRequest {
  const compiled = {
    fields: fields.map((change) => ({ change, value: change.kind === "remove" ? null : template(change.value) })),
    rewrite: rewrite === null ? null : {
      from: rewrite.from === null ? null : linearPattern(rewrite.from),
      to: template(rewrite.to),
    },
    removedParameters: query.remove,
    parameters: query.set.map(([name, value]) => ({
      name,
      value: template(encodeURIComponent(value).replaceAll("%24", "$")),
    })),
  };
  const texts = [
    ...compiled.fields.map(({ value }) => value),
    ...compiled.parameters.map(({ value }) => value),
    compiled.rewrite?.from === null ? compiled.rewrite.to : null,
  ];
  const needsMatch = texts.some((text) => text !== null && !text.isFixed);
  const isTargetKept = rewrite === null && query.remove.length === 0 && query.set.length === 0;
  return { ...compiled, needsMatch, isFixed: isTargetKept && !needsMatch };
}

/** What the rules of a request change in it, one after the other. */
export class ChangeInTheMaking {
  /** Careful reading of the path so far. */
  #reading: string;
  /** As it goes out; `null` while it was not rewritten. */
  #written: string | null = null;
  #query: string;
  readonly #given: string;
  readonly #fields: FieldChange[] = [];
  /** What was done to the query, for the key. */
  readonly #parameters: unknown[] = [];

  /** `reading` is the careful one of the path, `query` raw. */
  constructor(reading: string, query: string) {
    this.#reading = reading;
    this.#given = this.#query = query;
  }

  /** `matched` is what the wildcards of the rule's path took. */
  apply(rule: CompiledRequest, matched: readonly string[]): void {
    // The server itself has no path (`OPTIONS *`).
    if (rule.rewrite !== null && this.#reading.startsWith("/")) this.#rewrite(rule.rewrite, matched);
    for (const { change, value } of rule.fields) {
      const isFilled = value !== null && change.kind !== "remove";
      this.#fields.push(isFilled ? { ...change, value: value.fill(matched, escapedPath) } : change);
    }
    if (rule.removedParameters.length > 0 || rule.parameters.length > 0) this.#changeQuery(rule, matched);
  }

  /**
   * All of it; `null` where nothing is changed. `pool` and `upstream` are who is asked, where rules say it.
   *
   * @throws {GatewayError} `bad_request` where the path has come to be none that goes to an upstream
   */
  finish(pool: string | null, upstream: string | null): RequestChange | null {
    const path = this.#written;
    if (path !== null && hasDotSegment(path)) {
      throw new GatewayError("bad_request", "A rule of this listener makes a dot segment of the path", {
        hint: "Send another path; `explain` tells the operator which rule it is",
      });
    }
    const key = this.#key(pool, upstream);
    if (path === null && key === "") return null;
    const query = this.#query === this.#given ? null : this.#query;
    return { path, query, fields: this.#fields, pool, upstream, key };
  }

  #rewrite({ from, to }: NonNullable<CompiledRequest["rewrite"]>, matched: readonly string[]): void {
    const reading = this.#reading;
    const match = from === null ? { start: 0, end: reading.length, groups: matched } : from.exec(reading);
    if (match === null) return;
    const written = escapedPath(reading.slice(0, match.start)) + to.fill(match.groups, escapedPath) +
      escapedPath(reading.slice(match.end));
    this.#written = `/${written.replace(/^\/+/, "")}`;
    this.#reading = carefulPath(this.#written);
  }

  #changeQuery({ removedParameters, parameters }: CompiledRequest, matched: readonly string[]): void {
    const isGone = (name: string) =>
      parameters.some((parameter) => parameter.name === name) ||
      removedParameters.some((removed) => isNamed(removed, name));
    const kept = this.#query === "" ? [] : this.#query.split("&").filter((pair) => {
      const equals = pair.indexOf("=");
      return !isGone(decodedParameter(equals < 0 ? pair : pair.slice(0, equals)));
    });
    const put = parameters.map(({ name, value }) => `${encodeURIComponent(name)}=${value.fill(matched, escapedByte)}`);
    this.#query = [...kept, ...put].join("&");
    this.#parameters.push(removedParameters, put);
  }

  /** A path is in the key as it goes out. A query need not be: a listener may leave parameters out of it. */
  #key(pool: string | null, upstream: string | null): string {
    if (this.#fields.length === 0 && this.#parameters.length === 0 && (pool ?? upstream) === null) return "";
    const said = JSON.stringify([this.#fields, this.#parameters, pool, upstream]);
    return createHash("sha256").update(said).digest("base64url").slice(0, 22);
  }
}

function isNamed(removed: string, name: string): boolean {
  return removed.endsWith("*") ? name.startsWith(removed.slice(0, -1)) : removed === name;
}

function escapedByte(text: string): string {
  return escapedPath(text).replace(/[!$&'()*+,=:@/]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`);
}
