/** @file Why a specialisation is as it is: its gates by layer, names of the store that are like it, and which sentences moved which gates. */
import { AppError } from "../../base/errors.ts";
import { requireRunning } from "../../base/interrupt.ts";
import type { Specialization } from "../../pair/specialization.ts";
import { splitSentences } from "../../text/sentences.ts";
import type { Store } from "../store/store.ts";

/** `sentences`: parts of a prompt that are left out one at a time; more are put together. `shown`: experts of a layer, gates of a sentence. */
export const whyLimits = { sentences: 16, nearest: 5, shown: 4 } as const;

export type LayerGates = {
  readonly layer: number;
  /** The strongest first. */
  readonly experts: readonly { readonly expert: number; readonly gate: number }[];
};

export type Nearest = {
  readonly name: string;
  readonly version: number;
  /** Cosine of all gates. */
  readonly similarity: number;
};

export type MovedGate = {
  readonly layer: number;
  readonly expert: number;
  /** Without the sentence, and with it. */
  readonly from: number;
  readonly to: number;
};

export type SentenceEffect = {
  readonly text: string;
  /** How far the gates are from those without it, over the length of all gates: 0 where it changes nothing. */
  readonly distance: number;
  /** The gates that it moved furthest. */
  readonly moved: readonly MovedGate[];
};

export function gatesByLayer({ gates }: Pick<Specialization, "gates">): LayerGates[] {
  return gates.map((row, layer) => ({
    layer,
    experts: row
      .map((gate, expert) => ({ expert, gate }))
      .filter(({ gate }) => gate !== 0)
      .sort((a, b) => Math.abs(b.gate) - Math.abs(a.gate))
      .slice(0, whyLimits.shown),
  }));
}

const lengthOf = (values: readonly number[]): number =>
  Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));

/** Names of the tenant whose gates point the same way, the likest first; those of another pair, or without any gate, are none. */
export async function nearestNames(
  store: Store,
  tenant: string,
  object: string,
  { gates, edgeSha256, generatorSha256 }: Specialization,
): Promise<Nearest[]> {
  const own = gates.flat();
  const found: Nearest[] = [];
  for (const file of await store.list(tenant)) {
    if (!("versions" in file)) continue;
    const { version, object: other } = file.versions.find((each) => each.version === file.current)!;
    if (other === object) continue;
    const content = await store.read(other).catch((error: unknown) => {
      if (error instanceof AppError && error.code !== "E_IO") return undefined; // a damaged one is like none
      throw error;
    });
    if (content?.edgeSha256 !== edgeSha256 || content.generatorSha256 !== generatorSha256) continue;
    const theirs = content.gates.flat();
    const dot = own.reduce((sum, gate, i) => sum + gate * (theirs[i] ?? 0), 0);
    const lengths = lengthOf(own) * lengthOf(theirs);
    if (lengths > 0) found.push({ name: file.name, version, similarity: dot / lengths });
  }
  return found.sort((a, b) => b.similarity - a.similarity).slice(0, whyLimits.nearest);
}

/** Sentences, neighbours put together where there are too many. */
export function promptParts(prompt: string, most: number = whyLimits.sentences): string[] {
  const sentences = splitSentences(prompt);
  const count = Math.min(most, sentences.length);
  const at = (i: number): number => Math.round((i * sentences.length) / count);
  return Array.from({ length: count }, (_, i) => sentences.slice(at(i), at(i + 1)).join(""));
}

/**
 * Leaves each sentence out in turn and looks how far the predicted gates move: the one that moves them furthest first.
 * @param specialize predicts the gates of a prompt
 * @throws E_USAGE for a prompt of one sentence, E_INTERRUPTED
 */
export async function sentenceEffects(
  prompt: string,
  specialize: (prompt: string) => Promise<Pick<Specialization, "gates">>,
  signal?: AbortSignal,
): Promise<SentenceEffect[]> {
  const parts = promptParts(prompt);
  if (parts.length < 2)
    throw new AppError(
      "E_USAGE",
      "why: expected a prompt of two sentences or more: of one there is nothing to leave out",
    );
  const whole = (await specialize(prompt)).gates;
  const length = lengthOf(whole.flat()) || 1;
  const effects: SentenceEffect[] = [];
  for (const [i, text] of parts.entries()) {
    requireRunning(signal, "why: interrupted");
    const rest = parts.filter((_, other) => other !== i).join("");
    const { gates } = await specialize(rest);
    const moved = whole.flatMap((row, layer) =>
      row.map((to, expert): MovedGate => ({ layer, expert, from: gates[layer]![expert]!, to })),
    );
    const far = ({ from, to }: MovedGate): number => Math.abs(to - from);
    effects.push({
      text: text.trim(),
      distance: lengthOf(moved.map(far)) / length,
      moved: moved
        .filter((each) => far(each) > 0)
        .sort((a, b) => far(b) - far(a))
        .slice(0, whyLimits.shown),
    });
  }
  return effects.sort((a, b) => b.distance - a.distance);
}
