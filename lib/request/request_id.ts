const REQUEST_ID = /^[\w.:-]{1,128}$/;

/** The client's own id where it is usable: one id can then be followed through several systems. */
export function requestIdOf(given: string | null, next: () => string): string {
  return given !== null && REQUEST_ID.test(given) ? given : next();
}
