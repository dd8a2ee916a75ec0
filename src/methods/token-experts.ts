/** @file The model with LoRAMoE's or MixLoRA's experts, trained beforehand: each token goes through its own, so nothing can be merged. */
import { z } from "zod";
import {
  type TokenExpertForm,
  type TokenExperts,
  tokenExpertShapes,
  withTokenExperts,
} from "../models/token-experts.ts";
import { changeBy, learnedBytes, learnedFor } from "./learned.ts";
import { freeOfCost, type Method } from "./method.ts";

const size = z.int().min(1).max(1024);

const settingsOf = (form: TokenExpertForm): z.ZodType<TokenExperts> =>
  z
    .strictObject({
      form: z.literal(form),
      experts: size,
      topK: size,
      rank: size,
      alpha: z.number().positive(),
      targets: z.array(z.enum(["q", "k", "v", "o", "gate", "up", "down"])),
    })
    .refine(({ experts, topK }) => topK <= experts, "expected topK of at most as many as experts");

/** `path`: the output of a run that trained them, or the file in it. */
const tokenExperts =
  (form: TokenExpertForm, summary: string) =>
  (path: string): Method => ({
    summary,
    needs: { training: "once", beside: "each question" },
    async prepare(subject) {
      const from = performance.now();
      const { model } = subject;
      const learned = await learnedFor(path, subject, {
        settings: settingsOf(form),
        shapes: (settings, config) => tokenExpertShapes(config, settings),
      });
      const change = changeBy(
        learned,
        (parts, parameter) => withTokenExperts(model.config, learned.settings, parts, parameter).parts,
      );
      const seconds = (performance.now() - from) / 1000;
      return { model, change, cost: { ...freeOfCost, seconds, bytes: learnedBytes(learned) } };
    },
  });

export const loramoe = tokenExperts(
  "loramoe",
  "the edge model with LoRAMoE's experts in FILE (a run's output), all of them weighted for each token, input alone",
);

export const mixlora = tokenExperts(
  "mixlora",
  "the edge model with MixLoRA's experts in FILE (a run's output), the K likeliest for each token, input alone",
);
