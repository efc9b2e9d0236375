/** What a smaller picture is fitted to, in pixels; its other side follows. */
export type PictureFit = { readonly width: number } | { readonly height: number };

/** A picture that can be made of a larger one of its own. */
export interface SizedPicture {
  readonly fit: PictureFit;
  /** Paths of larger ones that may be stored, the nearest size first; a few. */
  readonly larger: readonly string[];
}

/** Tells which size of a picture a path names; `null` where it is none that can be made of another exactly. */
export type SizedPictures = (path: string) => SizedPicture | null;
