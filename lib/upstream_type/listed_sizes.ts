/** The sizes that TMDB's `/3/configuration` lists beside `original`, by kind of picture. */
export const LISTED_SIZES = {
  backdrop: ["w300", "w780", "w1280"],
  logo: ["w45", "w92", "w154", "w185", "w300", "w500"],
  poster: ["w92", "w154", "w185", "w342", "w500", "w780"],
  profile: ["w45", "w185", "h632"],
  still: ["w92", "w185", "w300"],
} as const;
