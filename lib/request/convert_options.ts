import type { Conversion, Recipe } from "../image/conversion.ts";

/** Conversions by what became of them; plain numbers. `derived` ones are those that made a size. */
export type ConversionCounts = Record<Conversion["kind"] | "derived", number>;

/** A form that pictures are served in beside their own. */
export interface FormRecipe extends Recipe {
  /** What the form's key ends in: it says all that decides the bytes. */
  readonly id: string;
  readonly mediaType: string;
}

/** How a listener converts pictures; compiled once from its configuration. */
export interface ConvertOptions {
  /** Best first. */
  readonly recipes: readonly FormRecipe[];
  /** Smaller and larger ones are served as they are. */
  readonly minBytes: number;
  readonly maxBytes: number;
  /** Every response of the listener says `Vary: Accept` anyway. */
  readonly saysVary: boolean;
  /** How long a request waits for a conversion that is under way. */
  readonly waitMs: number;
  readonly counts: ConversionCounts;
}
