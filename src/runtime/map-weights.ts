/** @file Weights that lie in no file a session can map: written into one for it, whose name is gone once they are mapped. */
import { open, rm, statfs } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AppError } from "../base/errors.ts";
import { sweepTemporaryFiles, temporaryPath } from "../base/temporary-name.ts";
import type { Node } from "../graph/types.ts";
import { inlineLimitBytes, sourceBytes } from "./ort-values.ts";
import { readValues } from "./read-weight.ts";
import type { FileSource, StoredSource, WeightSource } from "./session.ts";

export type MappedWeights = {
  readonly sources: Readonly<Record<string, StoredSource>>;
  /**
   * Takes the file's name away. Once a session has mapped the weights, so that their room is free when it is closed; and again when it is
   * closed, for systems that keep the name of what is mapped.
   */
  readonly release: () => Promise<void>;
};

/**
 * The sources of a graph's weights; some may be missing. What a session is given in memory it copies, more than once; of a mapped file it keeps
 * only what it packs anew. Decodes and writes one weight after the other. Vectors stay in memory, and everything else where the disk has no
 * room for it. Beside codes, values that are stored narrow are widened here: the session would do that by folding constants, and would unfold
 * the codes along with them.
 * @throws as the weights' own `read`
 */
export async function mapWeights(
  weights: ReadonlyMap<string, Node<"weight">>,
  given: Readonly<Record<string, WeightSource>>,
  folder: string = tmpdir(),
): Promise<MappedWeights> {
  const hasCodes = [...weights.values()].some(({ dtype }) => dtype === "u8");
  const found = [...weights.keys()].flatMap((name) =>
    given[name] === undefined ? [] : [[name, given[name]] as const],
  );
  const isMapped = (source: WeightSource): source is FileSource =>
    source.kind === "file" && !(hasCodes && source.storedAs !== undefined);
  const wanted = found.flatMap(([, one]) => (isMapped(one) || sourceBytes(one) < vectorBytes ? [] : [one]));
  const file = await writeWeights(new Set(wanted), folder);
  const release = async () => file?.remove();
  try {
    const sources: Record<string, StoredSource> = {};
    for (const [name, source] of found)
      sources[name] = isMapped(source)
        ? source
        : (file?.places.get(source) ?? { kind: "data", data: await readValues(source) });
    return { sources, release };
  } catch (error) {
    await release();
    throw error;
  }
}

/** What is smaller travels inside the model. */
const vectorBytes = 1 << 16;
/** Between two weights, as processors like to read them. */
const alignment = 64;
/** Node writes less than 2 GiB at a time. */
const maxWriteBytes = 2 ** 30;

/** One file of one's own with all of them; undefined where they are small together, or there is no room. */
async function writeWeights(sources: ReadonlySet<WeightSource>, folder: string) {
  const total = [...sources].reduce((sum, source) => sum + sourceBytes(source) + alignment, 0);
  if (total < inlineLimitBytes || !(await hasRoom(folder, total))) return undefined;
  const wanted = join(folder, "loragen-weights");
  await sweepTemporaryFiles(wanted);
  const path = await temporaryPath(wanted);
  const remove = () => rm(path, { force: true }).catch(() => undefined);
  const places = new Map<WeightSource, FileSource>();
  try {
    const handle = await open(path, "wx", 0o600);
    try {
      let end = 0;
      for (const source of sources) {
        const { buffer, byteOffset, byteLength } = await readValues(source);
        const values = new Uint8Array(buffer, byteOffset, byteLength);
        const offset = Math.ceil(end / alignment) * alignment;
        for (let done = 0; done < byteLength; ) {
          const length = Math.min(maxWriteBytes, byteLength - done);
          done += (await handle.write(values, done, length, offset + done)).bytesWritten;
        }
        places.set(source, { kind: "file", path, offset, bytes: byteLength });
        end = offset + byteLength;
      }
    } finally {
      await handle.close();
    }
    return { places, remove };
  } catch (error) {
    await remove();
    if (isOfTheFile(error)) return undefined;
    throw error;
  }
}

/** Others write into that folder too: half of what is free stays free. */
async function hasRoom(folder: string, bytes: number): Promise<boolean> {
  const free = await statfs(folder).then(
    ({ bavail, bsize }) => bavail * bsize,
    () => 0,
  );
  return 2 * bytes <= free;
}

/** Whether the system refused to make, write or close the file; weights that cannot be read have errors of our own. */
const isOfTheFile = (error: unknown): boolean =>
  error instanceof Error && !(error instanceof AppError) && "syscall" in error;
