import type { Fields } from "../http/fields.ts";
import type { RequestHead } from "../wire/request_head.ts";
import { type BodyLink, RequestBody } from "./_request_body.ts";
import type { Arrival, ArrivalFields, ConnectionFacts } from "./arrival.ts";

/** The part of a connection that an {@linkcode Exchange} needs. */
export interface ExchangeLink {
  /** Reads its content. */
  readonly watch: BodyLink;
  readonly facts: ConnectionFacts;
  /** Sends an interim response to this request, unless its reply has begun. */
  sendInterim(exchange: Exchange, status: number, fields: Readonly<Fields>): void;
}

/** One request on a connection, from its head to the end of its reply. */
export class Exchange implements Arrival {
  readonly method: string;
  readonly target: string;
  readonly minor: number;
  readonly fields: ArrivalFields;
  readonly body: RequestBody | null;
  readonly connection: ConnectionFacts;
  readonly keepsAlive: boolean;
  /** The client waits for `100 Continue`. */
  expectsContinue: boolean;
  isGone = false;
  readonly #link: ExchangeLink;
  #leaving: AbortController | null = null;

  constructor(head: RequestHead, link: ExchangeLink) {
    this.method = head.method;
    this.target = head.target;
    this.minor = head.minor;
    this.fields = head.fields;
    this.body = head.framing.kind === "none" ? null : new RequestBody(head.framing, link.watch);
    this.connection = link.facts;
    this.keepsAlive = head.keepAlive;
    this.expectsContinue = head.expectsContinue;
    this.#link = link;
  }

  get isHead(): boolean {
    return this.method === "HEAD";
  }

  get signal(): AbortSignal {
    const leaving = this.#leaving ??= new AbortController();
    if (this.isGone) leaving.abort(clientLeft());
    return leaving.signal;
  }

  interim(status: number, fields: Readonly<Fields>): void {
    this.#link.sendInterim(this, status, fields);
  }

  /** The client has left. */
  leave(): void {
    if (this.isGone) return;
    this.isGone = true;
    this.#leaving?.abort(clientLeft());
  }
}

function clientLeft(): DOMException {
  return new DOMException("The client has left", "AbortError");
}
