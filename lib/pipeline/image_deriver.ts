import { selects, ttlMs } from "../cache/policy/reuse.ts";
import type { Found } from "../cache/store.ts";
import type { StoredResponse } from "../cache/stored_response.ts";
import { isVaryMarker } from "../cache/variants.ts";
import type { ConversionCounts, Derived, Deriver } from "../request/snapshot.ts";
import type { Exchange } from "../request/exchange.ts";
import { tenantKey } from "../request/request_key.ts";
import type { Recipe } from "../image/conversion.ts";
import { pictureFormat } from "../image/picture_format.ts";
import {
  derivedKey,
  isConvertible,
  isResting,
  madeOnce,
  reportConversion,
  sizedResponse,
  within,
} from "../deliver/image_form.ts";
import type { SizedPicture, SizedPictures } from "../upstream_type/sized_pictures.ts";
import { judged } from "./fetch_shared.ts";

/** How a listener makes sizes of pictures; compiled once from its configuration. */
export interface DeriveOptions {
  readonly sizes: SizedPictures;
  /** Of JPEG and WebP, 1 to 100. */
  readonly quality: number;
  /** How long a request waits before an upstream is asked. */
  readonly waitMs: number;
  /** Larger bodies are not read. */
  readonly maxBytes: number;
  readonly counts: ConversionCounts;
}

/** Makes a missing size of a picture out of a larger one that is stored and fresh, and stores it. */
export class ImageDeriver implements Deriver {
  readonly #options: DeriveOptions;

  constructor(options: DeriveOptions) {
    this.#options = options;
  }

  derive(exchange: Exchange): Promise<Derived | null> | null {
    const { services, tenant, method, query } = exchange;
    if (method !== "GET" || query !== "" || exchange.hasEmptyQuery) return null;
    // Cookies, fields and rules in the key would have to be those of the larger one too.
    if (tenant.storing.cookieKey.length > 0 || tenant.forwardFields.length > 0 || exchange.changeKey !== "") {
      return null;
    }
    if (isResting(derivedKey(exchange.key)) || services.background.isFull) return null;
    const sized = this.#options.sizes(exchange.path);
    return sized === null ? null : this.#derive(exchange, sized);
  }

  async #derive(exchange: Exchange, sized: SizedPicture): Promise<Derived | null> {
    const source = await this.#source(exchange, sized);
    if (source === null || isOutdated(exchange, source.response)) return null;
    const state = { isLate: false };
    const key = derivedKey(exchange.key);
    const making = madeOnce(exchange.services, {
      key,
      make: async () => {
        const made = await this.#make(exchange, source.response, sized);
        // By then an upstream has been asked, whose answer is the better one.
        return state.isLate ? null : made;
      },
    });
    exchange.services.background.add(making);
    const response = await within(making, this.#options.waitMs);
    state.isLate = response === undefined;
    return response ? { response, tier: source.tier, detail: "resized" } : null;
  }

  /** The nearest larger picture that is stored and that the request might be served itself. */
  async #source(exchange: Exchange, { larger }: SizedPicture): Promise<Found | null> {
    const { services, tenant, keyAuthority } = exchange;
    for (const path of larger) {
      const request = { method: "GET", path, query: "", header: (name: string) => exchange.header(name) };
      const found = await services.store.get(tenantKey(tenant, request, keyAuthority));
      if (found !== undefined && this.#isUsable(exchange, found.response)) return found;
    }
    return null;
  }

  #isUsable(exchange: Exchange, stored: StoredResponse): boolean {
    const { invalidations, clock } = exchange.services;
    const { maxBytes } = this.#options;
    if (isVaryMarker(stored) || !isConvertible(stored, { minBytes: 1, maxBytes })) return false;
    if (invalidations.since(stored.key, stored.requestTimeMs) || !selects(stored, exchange)) return false;
    return judged(exchange, stored).kind === "hit" && ttlMs(stored, clock.now()) > 0;
  }

  async #make(exchange: Exchange, source: StoredResponse, { fit }: SizedPicture): Promise<StoredResponse | null> {
    const { services } = exchange;
    const format = pictureFormat(source.body);
    if (format === null) return null;
    const { quality, counts } = this.#options;
    const recipe: Recipe = { format, quality, effort: 4, fit };
    const conversion = await services.images.convert(source.body, recipe);
    reportConversion(services, { key: derivedKey(exchange.key), counts, made: "derived" }, conversion);
    if (conversion.kind !== "done") return null;
    return sizedResponse(source, {
      key: exchange.key,
      tags: exchange.tenant.type.tags(exchange),
      body: conversion.body,
    });
  }
}

/** Whether the request's own URL was changed or purged after the source was asked for: what would be made is of no use. */
function isOutdated({ key, services: { store, invalidations } }: Exchange, source: StoredResponse): boolean {
  return invalidations.since(key, source.requestTimeMs) || store.isPurged(source.with({ key }));
}
