import { Leader } from "../../cluster/leader.ts";
import type { Config } from "../../config/config.ts";
import type { LimitedMember } from "./cluster_limits.ts";

/** The jobs that one gateway of a cluster does for all. */
export class ClusterLeaders {
  readonly #member: LimitedMember;
  readonly #jobs = new Map<string, Leader>();

  constructor(member: LimitedMember) {
    this.#member = member;
  }

  /** Whether this gateway is to prewarm a listener by itself: each does, unless they share what is fetched. Never rejects. */
  async prewarms(listener: string, { cache, listeners }: Pick<Config, "cache" | "listeners">): Promise<boolean> {
    const own = listeners.find(({ name }) => name === listener);
    if (cache.shared === null || own === undefined || !(own.cache.shared ?? own.auth === null)) return true;
    return await this.#leader(`prewarm:${listener}`).renew();
  }

  /** Lets others lead. */
  async close(): Promise<void> {
    await Promise.all([...this.#jobs.values()].map((leader) => leader.close()));
    this.#jobs.clear();
  }

  #leader(job: string): Leader {
    const known = this.#jobs.get(job);
    if (known !== undefined) return known;
    const { config, engine, member } = this.#member;
    const leader = new Leader({ engine, member, name: config.name, job });
    this.#jobs.set(job, leader);
    return leader;
  }
}
