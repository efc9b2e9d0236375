import type { StateStore } from "../../state/state_store.ts";
import { foldRules, MAX_RULES, type PurgeRule } from "./purge_rules.ts";

/**
 * Saves rules, so that they hold after a restart too. Do this before telling the workers: one that starts meanwhile loads them.
 *
 * @throws {Error} what the state store throws
 */
export async function savePurges(state: StateStore, rules: readonly PurgeRule[]): Promise<void> {
  await state.set(rules.map((rule) => ({ key: keyOf(rule.id), value: rule })));
}

/** The rules that were saved. @throws {Error} what the state store throws */
export async function loadPurges(state: StateStore): Promise<PurgeRule[]> {
  const rules: PurgeRule[] = [];
  for await (const { value } of state.list(["p"])) rules.push(value as PurgeRule);
  return rules;
}

/** Where the largest position is kept: rules go before those that they were made after. */
const POSITION_KEY = ["purge-position"];

/** Saves the largest position that any purge has had. @throws {Error} what the state store throws */
export async function savePosition(state: StateStore, position: number): Promise<void> {
  await state.set([{ key: POSITION_KEY, value: position }]);
}

/** The position that was saved; 0 where there is none. @throws {Error} what the state store throws */
export async function loadPosition(state: StateStore): Promise<number> {
  const position = await state.get(POSITION_KEY);
  return typeof position === "number" && Number.isSafeInteger(position) ? position : 0;
}

/**
 * Removes the saved rules made before `timeMs`, when nothing older than that is stored any more, and folds the rest where they are too
 * many. Returns how many are left.
 *
 * @throws {Error} what the state store throws
 */
export async function tidyPurges(state: StateStore, timeMs: number, max = MAX_RULES): Promise<number> {
  const rules = await loadPurges(state);
  const kept = foldRules(rules.filter((rule) => rule.timeMs >= timeMs), max);
  const keptIds = new Set(kept.map(({ id }) => id));
  const loaded = new Set(rules);
  // What is folded or merged first: at no moment may less be purged.
  await savePurges(state, kept.filter((rule) => !loaded.has(rule)));
  // One that was saved anew under its id since it was loaded is another rule.
  const gone = rules.filter(({ id }) => !keptIds.has(id));
  for (const { id, timeMs, position } of gone) {
    await state.delete(keyOf(id), (held) => {
      const now = held as PurgeRule | null;
      return now?.timeMs === timeMs && now.position === position;
    });
  }
  return kept.length;
}

function keyOf(id: string): [string, string] {
  return ["p", id];
}
