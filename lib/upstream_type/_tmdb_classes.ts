import { classifyAuthorization, isUserQuery } from "./_credentials.ts";
import { findTmdbRoute, type TmdbRoute, tmdbRoutes, unlistedRoute } from "./_tmdb_routes.ts";
import type { RequestClass, TypedRequest } from "./upstream_type.ts";

/** Says of a request to TMDB's API which class it is of, and whether its response belongs to one user. */
export function classifyTmdb(request: TypedRequest): RequestClass {
  const route = findTmdbRoute(request.path);
  const classes = CLASSES.get(route)!;
  if (route.private !== null) return classes.byRoute;
  if (request.method !== "GET" && request.method !== "HEAD") return classes.byMethod;
  const bearer = classifyAuthorization(request.header("authorization"));
  if (bearer === "user" || bearer === "other") return classes.byAuthorization;
  return isUserQuery(request.query) ? classes.byQuery : classes.shared;
}

/** Whether a 401 on a path speaks of the application key alone, and not of a missing session. */
export function provesKey(path: string): boolean {
  return findTmdbRoute(path).provesKey;
}

/** The classes of one route, made once. */
interface RouteClasses {
  readonly shared: RequestClass;
  readonly byRoute: RequestClass;
  readonly byMethod: RequestClass;
  readonly byAuthorization: RequestClass;
  readonly byQuery: RequestClass;
}

const CLASSES: ReadonlyMap<TmdbRoute, RouteClasses> = new Map(
  [...tmdbRoutes, unlistedRoute].map((route) => [route, routeClasses(route)]),
);

function routeClasses(route: TmdbRoute): RouteClasses {
  const { name } = route;
  // Reasons are words: they stand in `Cache-Status` and in the log, and never hold anything of the request.
  const unshared = (reason: string): RequestClass =>
    Object.freeze({ name, private: reason, sharedAuthorization: false, ttl: null });
  return {
    shared: Object.freeze({ name, private: null, sharedAuthorization: true, ttl: route.ttl }),
    byRoute: unshared(route.private ?? ""),
    byMethod: unshared("method"),
    byAuthorization: unshared("user-authorization"),
    byQuery: unshared("user-query"),
  };
}
