import { selects, ttlMs } from "../cache/policy/reuse.ts";
import type { Found } from "../cache/store.ts";
import type { StoredResponse } from "../cache/stored_response.ts";
import { isVaryMarker } from "../cache/variants.ts";
import { within } from "../clock.ts";
import {
  derivedKey,
  isConvertible,
  isResting,
  madeOnce,
  reportConversion,
  sizedResponse,
} from "../deliver/image_form.ts";
import type { Recipe } from "../image/conversion.ts";
import { pictureFormat } from "../image/picture_format.ts";
import { tenantKey } from "../request/request_key.ts";
import type { ConversionCounts, DerivableRequest, Derived, Deriver } from "../request/snapshot.ts";
import type { SizedPicture, SizedPictures } from "../upstream_type/type_traits.ts";
import { verdictOn } from "./fetch_shared.ts";

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

  derive(request: DerivableRequest): Promise<Derived | null> | null {
    const { services, tenant, method, query } = request;
    if (method !== "GET" || query !== "" || request.hasEmptyQuery) return null;
    // With cookies, fields or rules in the key, the larger picture's key would need the same.
    if (tenant.storing.cookieKey.length > 0 || tenant.forwardFields.length > 0 || request.changeKey !== "") {
      return null;
    }
    if (isResting(derivedKey(request.key)) || services.background.isFull) return null;
    const sized = this.#options.sizes(request.path);
    return sized === null ? null : this.#derive(request, sized);
  }

  async #derive(request: DerivableRequest, sized: SizedPicture): Promise<Derived | null> {
    const source = await this.#source(request, sized);
    if (source === null || isOutdated(request, source.response)) return null;
    const state = { isLate: false };
    const key = derivedKey(request.key);
    const making = madeOnce(request.services, {
      key,
      make: async () => {
        const made = await this.#make(request, source.response, sized);
        // When it is late, an upstream has been asked, and its answer is stored instead.
        return state.isLate ? null : made;
      },
    });
    request.services.background.add(making);
    const response = await within(making, this.#options.waitMs, undefined);
    state.isLate = response === undefined;
    return response ? { response, tier: source.tier, detail: "resized" } : null;
  }

  /** The nearest larger picture that is stored and may be served to this request. */
  async #source(request: DerivableRequest, { larger }: SizedPicture): Promise<Found | null> {
    const { services, tenant, keyAuthority } = request;
    for (const path of larger) {
      const wanted = { method: "GET", path, query: "", header: (name: string) => request.header(name) };
      const found = await services.store.get(tenantKey(tenant, wanted, keyAuthority));
      if (found !== undefined && this.#isUsable(request, found.response)) return found;
    }
    return null;
  }

  #isUsable(request: DerivableRequest, stored: StoredResponse): boolean {
    const { invalidations, clock } = request.services;
    const { maxBytes } = this.#options;
    if (isVaryMarker(stored) || !isConvertible(stored, { minBytes: 1, maxBytes })) return false;
    if (invalidations.since(stored.key, stored.requestTimeMs) || !selects(stored, request)) return false;
    return verdictOn(request, stored).kind === "hit" && ttlMs(stored, clock.now()) > 0;
  }

  async #make(
    request: DerivableRequest,
    source: StoredResponse,
    { fit }: SizedPicture,
  ): Promise<StoredResponse | null> {
    const { services } = request;
    const format = pictureFormat(source.body);
    if (format === null) return null;
    const { quality, counts } = this.#options;
    const recipe: Recipe = { format, quality, effort: 4, fit };
    const conversion = await services.images.convert(source.body, recipe, request.tenant.name);
    reportConversion(services, { key: derivedKey(request.key), counts, made: "derived" }, conversion);
    if (conversion.kind !== "done") return null;
    return sizedResponse(source, {
      key: request.key,
      tags: request.tenant.type.tags(request),
      body: conversion.body,
    });
  }
}

/** Whether the request's own URL was invalidated or purged after the source was asked for: the result would not be served. */
function isOutdated({ key, services: { store, invalidations } }: DerivableRequest, source: StoredResponse): boolean {
  return invalidations.since(key, source.requestTimeMs) || store.isPurged(source.with({ key }));
}
