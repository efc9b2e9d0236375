import { detailsPlan, type DetailsShape } from "./_tmdb_fill_details.ts";
import { seasonPlan } from "./_tmdb_fill_season.ts";
import {
  askedLanguage,
  type FillAsk,
  isEpisodePlaceholder,
  isSeasonPlaceholder,
  languagesAfter,
} from "./_tmdb_languages.ts";
import type { FillPlan, LanguageFilling } from "./type_traits.ts";

const ID = "/\\d+(?:-[^/?]*)?";

/** How to fill the documents of a path. */
type PlanOf = (asked: FillAsk) => FillPlan;

const TITLE_TEXTS = ["overview", "tagline"];

/** Documents that are filled, by their paths. */
const PLANS: ReadonlyArray<readonly [path: RegExp, plan: PlanOf]> = [
  details(`/3/movie${ID}`, {
    name: { member: "title", original: "original_title", translated: "title" },
    texts: TITLE_TEXTS,
  }),
  details(`/3/tv${ID}`, {
    name: { member: "name", original: "original_name", translated: "name" },
    texts: TITLE_TEXTS,
  }),
  details(`/3/collection${ID}`, {
    name: { member: "name", original: "original_name", translated: "title" },
    texts: ["overview"],
  }),
  details(`/3/person${ID}`, { name: null, texts: ["biography"] }),
  details(`/3/tv${ID}/season/\\d+/episode/\\d+`, {
    name: { member: "name", number: "episode_number", isPlaceholder: isEpisodePlaceholder, translated: "name" },
    texts: ["overview"],
  }),
  [
    new RegExp(`^/3/tv${ID}/season/\\d+$`),
    (asked) => seasonPlan(asked, { isEpisode: isEpisodePlaceholder, isSeason: isSeasonPlaceholder }),
  ],
];

function details(path: string, shape: DetailsShape): readonly [RegExp, PlanOf] {
  return [new RegExp(`^${path}$`), (asked) => detailsPlan(asked, shape)];
}

/** How TMDB's documents are filled from other languages. */
export const tmdbLanguages: LanguageFilling = { plan };

function plan({ path, query }: Parameters<LanguageFilling["plan"]>[0], list: readonly string[]): FillPlan | null {
  const planOf = PLANS.find(([pattern]) => pattern.test(path))?.[1];
  const asked = planOf === undefined ? null : askedLanguage(query);
  if (planOf === undefined || asked === null) return null;
  const languages = languagesAfter(asked, list);
  return languages.length === 0 ? null : planOf({ asked, languages, query });
}
