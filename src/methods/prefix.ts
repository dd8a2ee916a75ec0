/** @file The model behind a prefix that was trained beforehand (prefix tuning): keys and values in front of every input, no prompt. */
import { z } from "zod";
import { prefixShapes, trainedPrefix } from "../train/prefix-step.ts";
import { learnedBytes, learnedFor } from "./learned.ts";
import { freeOfCost, type Method } from "./method.ts";

const Settings = z.strictObject({ form: z.literal("prefix"), positions: z.int().min(1).max(4096) });

/** `path`: the output of a run that trained it, or the file in it. */
export const prefix = (path: string): Method => ({
  summary: "the edge model behind the keys and values in FILE (prefix tuning; a run's output), input alone",
  needs: { training: "each task", beside: "nothing" },
  async prepare(subject) {
    const from = performance.now();
    const { model } = subject;
    const learned = await learnedFor(path, subject, {
      settings: Settings,
      shapes: ({ positions }, config) => prefixShapes(config, positions),
    });
    const trained = trainedPrefix(model.config, learned.settings.positions, learned.tensors);
    const seconds = (performance.now() - from) / 1000;
    return { model, prefix: trained, cost: { ...freeOfCost, seconds, bytes: learnedBytes(learned) } };
  },
});
