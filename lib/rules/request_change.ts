import { createHash } from "node:crypto";
import { GatewayError } from "../errors.ts";
import { carefulPath, escapedPath } from "../http/careful_path.ts";
import type { FieldChange } from "../http/field_changes.ts";
import { hasDotSegment } from "../http/target.ts";
import { type LinearPattern, linearPattern } from "../pattern/linear_pattern.ts";
import { type Template, template } from "../pattern/template.ts";
import type { RequestChange } from "../request/ruling.ts";
import { decodedParameter } from "./condition.ts";

/** The changes of one rule in a request. In texts, `$1` to `$9` stand for the path's wildcard matches and `$$` for a dollar sign. */
export interface RequestRule {
  readonly fields: readonly FieldChange[];
  readonly rewrite: {
    /** Expression over the careful reading of the path, whose groups `$1` to `$9` then are; `null` replaces all of the path. */
    readonly from: string | null;
    readonly to: string;
  } | null;
  readonly query: {
    /** Names, `*` at the end stands for what follows. */
    readonly remove: readonly string[];
    readonly set: ReadonlyArray<readonly [name: string, value: string]>;
  };
}

/** The changes of one rule in requests, compiled. */
export interface CompiledRequest {
  readonly fields: readonly { readonly change: FieldChange; readonly value: Template | null }[];
  readonly rewrite: { readonly from: LinearPattern | null; readonly to: Template } | null;
  readonly removedParameters: readonly string[];
  readonly parameters: readonly { readonly name: string; readonly value: Template }[];
  /** It is the same for every request: no path or query is changed, and no text is filled. */
  readonly isFixed: boolean;
  /** Some text has a place for a match of the path's wildcards. */
  readonly needsMatch: boolean;
}

/**
 * Compiles the changes of a rule in requests.
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

/** Applies the changes of several rules to a request, one after the other. */
export class RequestChanges {
  /** The changed path, as read by `carefulPath`. */
  #reading: string;
  /** The path as it is sent; `null` while it was not rewritten. */
  #written: string | null = null;
  #query: string;
  readonly #given: string;
  readonly #fields: FieldChange[] = [];
  /** Changes of the query, for the key. */
  readonly #parameters: unknown[] = [];

  /** `reading` is the path as read by `carefulPath`, `query` raw. */
  constructor(reading: string, query: string) {
    this.#reading = reading;
    this.#given = this.#query = query;
  }

  /** `matched` are the matches of the rule's path's wildcards. */
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
   * All changes; `null` where there are none. `pool` and `upstream` are those that rules choose.
   *
   * @throws {GatewayError} `bad_request` where the changed path has a dot segment
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

  /** Hash of the changes beside the path, which is part of every key. The query is hashed: a listener may leave parameters out of keys. */
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
