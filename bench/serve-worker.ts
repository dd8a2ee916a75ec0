/** @file A service in a process of its own: `serve-worker.ts PAIR STORE THREADS SLOTS`. */
import { loadPair } from "../src/pair/pair-file.ts";
import { listenOn } from "../src/server/serve.ts";
import { createService } from "../src/server/service.ts";
import { openStore } from "../src/server/store/store.ts";
import { peakResidentMb } from "./support/memory.ts";
import { serve } from "./support/worker.ts";

const [directory, folder, threads, slots] = process.argv.slice(2);
const pair = await loadPair(directory!);
const store = await openStore(folder!);
await using service = await createService(pair, store, { threads: Number(threads), slots: Number(slots) });
const listening = await listenOn(service.fetch, { host: "127.0.0.1", port: 0 });
await serve(
  { url: listening.url, base: service.base },
  {
    memory: () => ({ peakMb: peakResidentMb() ?? 0, residentMb: process.memoryUsage().rss / 1e6 }),
    state: () => ({ ...service.engine.state() }),
    async pin() {
      await service.pin("main", "tenant-0");
      return {};
    },
  },
);
await listening.close();
