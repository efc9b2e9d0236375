import assert from "node:assert/strict";
import { join } from "node:path";
import { listFolder, readText } from "../../../lib/config/yaml/read_text.ts";
import { createLogger } from "../../../lib/logging/logger.ts";
import { ConfigSources } from "../../../lib/workers/supervisor/config_sources.ts";
import { ConfigWatch, type ConfigWatchOptions } from "../../../lib/workers/supervisor/config_watch.ts";
import { eventually } from "../../eventually.ts";
import { makeLinks } from "../../symlinks.ts";

/** A folder with a configuration that is watched; a reload reads its files and what is in its folder. */
async function watched(options: Partial<ConfigWatchOptions> = {}) {
  const folder = await Deno.makeTempDir();
  const path = (name: string) => join(folder, name);
  await Deno.mkdir(path("..v1"));
  await Deno.mkdir(path("conf.d"));
  await Deno.writeTextFile(path("..v1/config.yaml"), "one");
  await makeLinks({ [path("..data")]: "..v1", [path("config.yaml")]: "..data/config.yaml" });
  const sources = new ConfigSources();
  const read: string[] = [];
  const reload = async () => {
    const { readTextFile, listFolder: list } = sources.noting({ readTextFile: readText, listFolder });
    const texts = [await readTextFile(path("config.yaml")).catch(() => "none")];
    for (const { name } of await list(path("conf.d"))) texts.push(await readTextFile(path(`conf.d/${name}`)));
    read.push(texts.join());
  };
  await reload();
  const lines: string[] = [];
  const logger = createLogger({ level: "info", format: "text", sink: (line) => lines.push(line), now: () => 0 });
  const pace = { settleMs: 5, lookEveryMs: 5 };
  const watch = new ConfigWatch({ sources, reload, logger, pace, ...options });
  watch.adjust(true);
  return {
    path,
    watch,
    sources,
    lines,
    read,
    /** Changes something and waits until what was read says so. */
    async changed(change: () => Promise<unknown>, text: string) {
      await change();
      await eventually(`"${text}" is read, not ${JSON.stringify(read)}`, () => read.at(-1) === text);
    },
    async [Symbol.asyncDispose]() {
      watch.close();
      await Deno.remove(folder, { recursive: true });
    },
  };
}

type Watched = Awaited<ReturnType<typeof watched>>;

/** What editors, volumes and people do to files. */
async function changeAll({ path, changed }: Watched): Promise<void> {
  await changed(() => Deno.writeTextFile(path("..v1/config.yaml"), "two"), "two");
  await changed(async () => {
    await Deno.writeTextFile(path(".config.yaml.tmp"), "three");
    await Deno.rename(path(".config.yaml.tmp"), path("..v1/config.yaml"));
  }, "three");
  await changed(async () => {
    await Deno.mkdir(path("..v2"));
    await Deno.writeTextFile(path("..v2/config.yaml"), "four");
    await makeLinks({ [path("..data_tmp")]: "..v2" });
    await Deno.rename(path("..data_tmp"), path("..data"));
  }, "four");
  await changed(() => Deno.writeTextFile(path("conf.d/a.yaml"), "a"), "four,a");
  await changed(() => Deno.writeTextFile(path("conf.d/a.yaml"), "aa"), "four,aa");
  await changed(() => Deno.remove(path("conf.d/a.yaml")), "four");
  await changed(() => Deno.remove(path("config.yaml")), "none");
  await changed(() => Deno.writeTextFile(path("config.yaml"), "five"), "five");
}

Deno.test("ConfigWatch reloads when a file is rewritten, replaced, comes or goes, and when a link above it is swapped", async () => {
  await using gateway = await watched();
  await changeAll(gateway);
  assert.match(gateway.lines.join(""), /Configuration files are watched/);
});

const PYTHON = "/usr/bin/python3";

Deno.test({
  name: "ConfigWatch goes on where a pipe lies among the files: nothing waits for whoever would write to it",
  ignore: !await Deno.stat(PYTHON).then(({ isFile }) => isFile, () => false),
  async fn() {
    await using gateway = await watched();
    const { path, changed, watch } = gateway;
    const args = ["-c", "import os, sys; os.mkfifo(sys.argv[1])", path("pipe")];
    assert.ok((await new Deno.Command(PYTHON, { args }).output()).success);
    await changed(() => Deno.writeTextFile(path("conf.d/a.yaml"), "a"), "one,a");
    watch.adjust(false);
    watch.adjust(true);
    await changed(() => Deno.writeTextFile(path("conf.d/a.yaml"), "aa"), "one,aa");
  },
});

Deno.test("ConfigWatch takes nothing for a change that is none, and stops when it is turned off", async () => {
  await using gateway = await watched();
  const { path, watch, read } = gateway;
  for (const name of [".a.yaml.swp", "a.yaml~"]) await Deno.writeTextFile(path(`conf.d/${name}`), "");
  await Deno.writeTextFile(path("unrelated.txt"), "");
  assert.equal(await gateway.sources.haveChanged(), false);
  // At once, so that nobody meets half of it.
  const replace = async (text: string) => {
    await Deno.writeTextFile(path(".tmp"), text);
    await Deno.rename(path(".tmp"), path("..v1/config.yaml"));
  };
  await gateway.changed(() => replace("two"), "two,,");
  assert.equal(read.length, 2);
  watch.adjust(false);
  await replace("three");
  assert.equal(await gateway.sources.haveChanged(), true);
  watch.adjust(true);
  await eventually("it is read", () => read.length === 3);
});

Deno.test("ConfigWatch waits until files lie still, and lets be what is as it was", async () => {
  const states = ["a", "b", "c", "c"];
  const asked: string[] = [];
  const reloaded = Promise.withResolvers<void>();
  let hasChanged = true;
  await using gateway = await watched({
    sources: {
      haveChanged: () => Promise.resolve(hasChanged),
      now: () => {
        asked.push(states[0]!);
        return Promise.resolve(states.length > 1 ? states.shift()! : states[0]!);
      },
    },
    reload: () => {
      hasChanged = false;
      reloaded.resolve();
      return Promise.resolve();
    },
  });
  await reloaded.promise;
  assert.deepEqual(asked, ["a", "b", "c", "c"]);
  gateway.watch.close();
});

Deno.test("ConfigSources notes a file as it was before it was read", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const file = join(folder, "config.yaml");
    await Deno.writeTextFile(file, "one");
    const sources = new ConfigSources();
    const { readTextFile } = sources.noting({
      readTextFile: async (path) => {
        const text = await readText(path);
        // Somebody writes while it is being read.
        await Deno.writeTextFile(path, "one and more");
        return text;
      },
      listFolder,
    });
    assert.equal(await readTextFile(file), "one");
    assert.equal(await sources.haveChanged(), true);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
