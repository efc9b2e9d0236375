import { Hono } from "hono";
import { seededRandom } from "../seeded_random.ts";
import { filePath } from "./artwork.ts";
import { films, series } from "./catalog.ts";
import type { TmdbOrigin } from "./tmdb_origin.ts";

/** Requests a second of the demo's own clients. */
const PER_SECOND = 25;
/** Of them under way at a time, at most. */
const MAX_OPEN = 50;
const LANGUAGES = ["en-US", "de-DE", "zh-CN", "fr-FR", "ja-JP", "es-ES"];

/** How the demo stands, as its page shows it. */
export interface DemoState {
  readonly broken: boolean;
  readonly traffic: boolean;
}

/** What the demo's page can do to the demo: break the second origin and mend it, and have clients ask for films. */
export class DemoControls {
  readonly #origins: readonly TmdbOrigin[];
  readonly #gatewayUrl: string;
  readonly #random = seededRandom(20);
  #timer: ReturnType<typeof setInterval> | undefined;
  #open = 0;

  constructor(origins: readonly TmdbOrigin[], gatewayUrl: string) {
    this.#origins = origins;
    this.#gatewayUrl = gatewayUrl;
  }

  get state(): DemoState {
    return { broken: this.#last.fault !== null, traffic: this.#timer !== undefined };
  }

  /** Has the last origin answer 503 to everything, or as it should again. */
  setBroken(isBroken: boolean): void {
    this.#last.fault = isBroken ? () => new Response("broken by the demo", { status: 503 }) : null;
  }

  /** Has clients ask, or not. */
  setTraffic(isOn: boolean): void {
    clearInterval(this.#timer);
    this.#timer = isOn ? setInterval(() => void this.#ask(), 1000 / PER_SECOND) : undefined;
  }

  get #last(): TmdbOrigin {
    return this.#origins.at(-1)!;
  }

  async #ask(): Promise<void> {
    if (this.#open >= MAX_OPEN) return;
    this.#open++;
    try {
      const response = await fetch(this.#gatewayUrl + demoTarget(this.#random));
      await response.body?.cancel();
    } catch {
      // The gateway stops.
    } finally {
      this.#open--;
    }
  }
}

/** What a client might ask for: few titles often, many seldom. */
export function demoTarget(random: () => number): string {
  const rank = Math.floor(films.length * random() ** 2.5);
  const { id } = films[rank]!;
  const language = LANGUAGES[Math.floor(LANGUAGES.length * random() ** 3)]!;
  const kind = random();
  if (kind < 0.4) return `/3/movie/${id}?language=${language}&append_to_response=credits`;
  if (kind < 0.55) return `/3/movie/${id}/images?language=${language}`;
  if (kind < 0.85) return `/t/p/${random() < 0.7 ? "w342" : "w500"}${filePath("poster", `movie/${id}`)}`;
  if (kind < 0.95) return `/3/tv/${series[Math.floor(series.length * random())]!.id}?language=${language}`;
  return `/3/search/movie?query=${id}-${Math.floor(random() * 1000)}`;
}

/** The demo's part of the admin surface. */
export function demoRoutes(controls: DemoControls): Hono {
  const app = new Hono();
  app.get("/demo", (context) => context.json(controls.state));
  app.post("/demo/:what{break|mend|traffic|quiet}", (context) => {
    const what = context.req.param("what");
    if (what === "break" || what === "mend") controls.setBroken(what === "break");
    else controls.setTraffic(what === "traffic");
    return context.json(controls.state);
  });
  return app;
}
