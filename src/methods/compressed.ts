/** @file The model behind its compressed prompt: a soft compressor, trained beforehand, reads the system prompt once for all inputs. */
import type { FrozenModel } from "../models/frozen-model.ts";
import type { Learned } from "../models/learned-file.ts";
import { wrapLinear } from "../nn/parts.ts";
import { encodeCloudPrompt, TEXT_LAYOUT } from "../text/prompt.ts";
import { type CompressorForm, CompressorSettings, compressorForms, compressorShapes } from "../train/compressor.ts";
import { loraAdaptation } from "../train/lora-step.ts";
import { compressPrompt } from "./compress-prompt.ts";
import { changeBy, learnedBytes, learnedFor } from "./learned.ts";
import { freeOfCost, type Method } from "./method.ts";

/** `path`: the output of a run that trained it, or the file in it. */
export const compressed = (form: CompressorForm, path: string): Method => ({
  summary: summaries[form],
  needs: { training: "once", beside: "each prompt" },
  async prepare(subject, { systemPrompt, layout: isText }, how) {
    const from = performance.now();
    const { model, tokenizer, layout } = subject;
    const learned = await learnedFor(path, subject, {
      settings: CompressorSettings.refine((found) => found.form === form, {
        path: ["form"],
        message: `expected ${form}`,
      }),
      shapes: (settings, config) => compressorShapes(config, settings),
    });
    // In front of a question in plain text the prompt is plain text too, whatever the pair's layout.
    const ids = encodeCloudPrompt(tokenizer, isText === undefined ? layout : TEXT_LAYOUT, systemPrompt);
    const { prefix, flops } = await compressPrompt(model, learned, ids, tokenizer.padId, how);
    const prefixBytes = prefix.layers
      .flatMap((layer) => Object.values(layer) as Float32Array[])
      .reduce((sum, { byteLength }) => sum + byteLength, 0);
    return {
      model,
      prefix,
      behind: systemPrompt,
      prompt: systemPrompt,
      ...(compressorForms[form].answersAdapted ? { change: adaptedBy(model, learned) } : {}),
      cost: {
        ...freeOfCost,
        seconds: (performance.now() - from) / 1000,
        flops,
        bytes: prefixBytes + (compressorForms[form].answersAdapted ? learnedBytes(learned) : 0),
      },
    };
  },
});

const read = (what: string) =>
  `the edge model behind ${what} that the compressor in FILE (a run's output) makes of the system prompt`;
const summaries: Readonly<Record<CompressorForm, string>> = {
  gist: read("the gist tokens"),
  autocompressor: read("the summary vectors (AutoCompressors)"),
  icae: read("the memory tokens (ICAE)"),
  "500xcompressor": read("the keys and values (500xCompressor)"),
};

/** The LoRA of the model that answers. */
const adaptedBy = ({ config }: FrozenModel, learned: Learned<CompressorSettings>) => {
  const shapes = compressorShapes(config, learned.settings);
  const adaptation = loraAdaptation({ edge: config, ...learned.settings });
  return changeBy(learned, (parts, parameter) => {
    const nodes = Object.fromEntries([...shapes].map(([name, shape]) => [name, parameter(name, shape)]));
    return wrapLinear(parts, adaptation.adapt(nodes));
  });
};
