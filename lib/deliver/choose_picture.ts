import { listenerOfKey } from "../cache/store.ts";
import type { StoredResponse } from "../cache/stored_response.ts";
import { within } from "../clock.ts";
import type { Fields } from "../http/fields.ts";
import { type Accepted, accepted } from "../http/media_range.ts";
import type { Answer } from "../request/answer.ts";
import type { Exchange } from "../request/exchange.ts";
import type { Services } from "../request/services.ts";
import type { ConvertOptions, FormRecipe } from "../request/snapshot.ts";
import { ImageForms, isConvertible, isResting, madeOnce, reportConversion, willBeConvertible } from "./image_form.ts";

/** Forms of each stored response, by the options of its listener; `null` where it is not converted. */
const known = new WeakMap<StoredResponse, { readonly options: ConvertOptions; readonly forms: ImageForms | null }>();

/** The forms of a stored response; `null` where it is not converted. */
function imageForms(stored: StoredResponse, options: ConvertOptions): ImageForms | null {
  const before = known.get(stored);
  if (before?.options === options) return before.forms;
  const forms = isConvertible(stored, options) ? new ImageForms(stored, options) : null;
  known.set(stored, { options, forms });
  return forms;
}

/** Chooses the best format of a stored picture that the client takes and that exists; begins the conversion of a missing one. */
export function choosePicture(exchange: Exchange, answer: Answer): Answer | Promise<Answer> {
  const { images } = exchange.tenant;
  if (images === null || answer.kind !== "stored" || answer.isPartial) return answer;
  const forms = imageForms(answer.response, images);
  if (forms === null) return answer;
  const form = chosenForm(exchange, forms, images);
  return form instanceof Promise
    ? form.then((response) => ({ ...answer, response, isChosen: true }))
    : { ...answer, response: form, isChosen: true };
}

function chosenForm(
  exchange: Exchange,
  forms: ImageForms,
  options: ConvertOptions,
): StoredResponse | Promise<StoredResponse> {
  const recipes = wantedForms(exchange, forms, options);
  for (const recipe of recipes) {
    const key = forms.key(recipe);
    if (isResting(key)) continue;
    const found = exchange.services.store.get(key);
    const form = found === undefined || found instanceof Promise ? undefined : forms.with(recipe, found.response);
    if (form === undefined) {
      // The look-up is repeated there, which is rare and cheap: memory has nothing.
      return chosenLate(exchange, forms, { recipes, options });
    }
    if (form !== null) return form;
  }
  return forms.original;
}

/**
 * Whether a response that is about to be stored is a picture that this request would get converted: then its client waits for the whole
 * body in place of the original as it comes in.
 */
export function waitsForPicture(exchange: Exchange, fields: Readonly<Fields>): boolean {
  const { images } = exchange.tenant;
  if (images === null || images.waitMs === 0 || exchange.wantsPart) return false;
  const accept = accepted(exchange.header("accept"));
  return images.recipes.some(({ mediaType }) => accept.named(mediaType) > 0) && willBeConvertible(fields, images);
}

/** Wanted recipes of each listener by `Accept`: clients send few different values. */
const wanted = new WeakMap<readonly FormRecipe[], WeakMap<Accepted, Map<string, readonly FormRecipe[]>>>();

/** Recipes for a request, best first: formats that it names in full and likes no less than the original's. */
function wantedForms(exchange: Exchange, forms: ImageForms, { recipes }: ConvertOptions): readonly FormRecipe[] {
  // `If-Range` names the form that the client has a range of; without it the original is assumed.
  if (exchange.header("range") !== null && exchange.header("if-range") === null) return [];
  // The original has met `If-Match` already; a form has another tag (RFC 9110 §13.1.1).
  if (exchange.header("if-match") !== null) return [];
  const accept = accepted(exchange.header("accept"));
  let byAccept = wanted.get(recipes);
  if (byAccept === undefined) wanted.set(recipes, byAccept = new WeakMap());
  let byType = byAccept.get(accept);
  if (byType === undefined) byAccept.set(accept, byType = new Map());
  let chosen = byType.get(forms.mediaType);
  if (chosen === undefined) byType.set(forms.mediaType, chosen = choose(accept, forms.mediaType, recipes));
  return chosen;
}

function choose(accept: Accepted, mediaType: string, recipes: readonly FormRecipe[]): readonly FormRecipe[] {
  const least = accept.weightOf(mediaType);
  const wantedRecipes = recipes.filter((recipe) => {
    const weight = accept.named(recipe.mediaType);
    return weight > 0 && weight >= least && recipe.mediaType !== mediaType;
  });
  // Among equal weights the listener's order decides, which a stable sort keeps.
  return wantedRecipes.toSorted((a, b) => accept.named(b.mediaType) - accept.named(a.mediaType));
}

interface Choice {
  readonly recipes: readonly FormRecipe[];
  readonly options: ConvertOptions;
}

/** The best form that is stored or made in time; else the original. A form that is late is still stored. */
async function chosenLate(
  exchange: Exchange,
  forms: ImageForms,
  { recipes, options }: Choice,
): Promise<StoredResponse> {
  const { services } = exchange;
  const untilMs = performance.now() + options.waitMs;
  let mayMake = exchange.method === "GET" && exchange.header("range") === null;
  for (const recipe of recipes) {
    const key = forms.key(recipe);
    if (isResting(key)) continue;
    const found = await services.store.get(key);
    const form = found === undefined ? undefined : forms.with(recipe, found.response);
    if (form === null) continue;
    if (form !== undefined) return form;
    if (!mayMake || services.background.isFull) continue;
    const made = makeForm(services, forms, { recipe, options });
    services.background.add(made);
    const inTime = await within(made, untilMs - performance.now(), undefined);
    if (inTime === undefined) mayMake = false;
    else if (inTime !== null) return inTime;
  }
  return forms.original;
}

/** Makes a form, once in all workers together; `null` where there is none. */
async function makeForm(services: Services, forms: ImageForms, making: Making): Promise<StoredResponse | null> {
  const key = forms.key(making.recipe);
  const form = await madeOnce(services, { key, make: () => converted(services, forms, making) });
  return form === null ? null : forms.with(making.recipe, form) ?? null;
}

/** The form as it is stored, without a body where there is no such form; `null` where the conversion may be tried again. */
async function converted(services: Services, forms: ImageForms, making: Making): Promise<StoredResponse | null> {
  const { recipe, options: { counts } } = making;
  const { original } = forms;
  const conversion = await services.images.convert(original.body, recipe, listenerOfKey(original.key));
  reportConversion(services, { key: forms.key(recipe), counts, made: "done" }, conversion);
  if (conversion.kind === "done") return forms.entryFor(recipe, conversion.body);
  return conversion.kind === "unsuitable" ? forms.entryFor(recipe, null) : null;
}

interface Making {
  readonly recipe: FormRecipe;
  readonly options: ConvertOptions;
}
