/** @file A certificate: how a specialisation answered given inputs, beside the prompted model, the base model and a control. */
import { z } from "zod";
import { Sha256 } from "../../base/sha256.ts";

/** What may answer for a name, the cheapest first. */
export const rungs = ["specialized", "refined", "residual", "prompted", "cloud"] as const;
/**
 * `specialized`: the gates that the prompt predicts. `refined`: gates that were found from them on examples. `residual`: gates, with the
 * sentences of the prompt in front that must stay word for word. `prompted`: the edge model with the whole prompt. `cloud`: the cloud model
 * with the whole prompt.
 */
export type Rung = (typeof rungs)[number];

/**
 * Who is asked. The control is the specialisation with its gates shuffled among the experts of each layer: as much is added to the base
 * model, and none of it was meant.
 */
export const parties = [...rungs, "base", "control"] as const;
export type Party = (typeof parties)[number];

/** Those that save what the prompted model reads. */
export const savingRungs = ["specialized", "refined", "residual"] as const satisfies readonly Rung[];

/** Those that are always asked, the prompted one where the prompt is known. Other rungs are tried where a verdict needs them. */
export const compared = ["specialized", "prompted", "base", "control"] as const satisfies readonly Party[];

const share = z.number().min(0).max(1);
const Mean = z.strictObject({ mean: z.number(), low: z.number(), high: z.number() });

const PartyResult = z.object({
  /** The scorer's mean over the inputs, with a 95 % interval over them. */
  score: Mean,
  /** Tokens read for an input, prompt included, on average. */
  inputTokens: z.number().min(0),
  /** Of an input asked alone, the median; the prompt's keys and values are kept between questions. null where none was timed. */
  ms: z.number().min(0).nullable(),
  /** Certificates from before this was measured are without it. */
  kept: z
    .strictObject({
      /** The share of answers that ended by themselves, before they were cut off. Under a constraint they have its form then. */
      ended: Mean,
      /** Of `freeInputs` asked without the constraint: the share of answers that have its form all the same. */
      free: Mean.optional(),
    })
    .optional(),
});

const Saved = z.strictObject({ inputTokens: Mean, ms: Mean.nullable() });

/** What answers were held against. */
export const Reference = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("labels") }),
  z.strictObject({ kind: z.literal("model"), model: z.string() }),
  /** The edge model with the prompt: where it cannot be prompted, agreement with it says little. */
  z.strictObject({ kind: z.literal("prompted-edge") }),
]);
export type Reference = z.infer<typeof Reference>;

/** Keys that this program does not know are left out: another machine on the same store may be newer. */
export const Certificate = z.object({
  format: z.literal("lora-gen certificate 1"),
  /** The hash of the specialisation's content. */
  object: Sha256,
  at: z.iso.datetime(),
  version: z.string(),
  reference: Reference,
  scorer: z.string(),
  /** That were scored. */
  inputs: z.int().positive(),
  /** Inputs beside them where nothing could be made of the reference's answer. */
  leftOut: z.int().min(0),
  /** Of those scored, how many were too long for one of the parties, which scores 0 on them. */
  failed: z.int().min(0),
  /** Of what was asked to be measured: inputs, labels, scorer, threshold and the like. What has the same hash was measured already. */
  askedSha256: Sha256.optional(),
  /** Of all inputs with what was expected of them: the same inputs have the same hash. */
  inputsSha256: Sha256,
  parties: z.strictObject({
    specialized: PartyResult,
    base: PartyResult,
    control: PartyResult,
    prompted: PartyResult.optional(),
    refined: PartyResult.optional(),
    residual: PartyResult.optional(),
    cloud: PartyResult.optional(),
  }),
  /** The specialisation's score less another's, paired by input. */
  ahead: z.strictObject({ base: Mean, control: Mean, prompted: Mean.optional() }),
  /** KL from the prompted model's distribution of an answer's first token to the specialised one's, in nats. */
  firstTokenKl: Mean.optional(),
  /** What a rung by gates saves beside the prompted model, paired by input: tokens read of all inputs, milliseconds of those timed. */
  saved: z.partialRecord(z.enum(savingRungs), Saved).optional(),
  /** Inputs that were timed, and those that were asked without the constraint too. */
  timedInputs: z.int().min(0).optional(),
  freeInputs: z.int().min(0).optional(),
  threshold: share.optional(),
  /** The cheapest that scores the threshold; null where none does. */
  rung: z.enum(rungs).nullable().optional(),
  /** Of each rung that was tried: whether the lower end of its interval reaches the threshold too. */
  sure: z.partialRecord(z.enum(rungs), z.boolean()).optional(),
  /** Rungs that could not be tried, and why. */
  notTried: z.partialRecord(z.enum(rungs), z.string()).optional(),
  /** Inputs that gates were refined on; they are not among those measured. */
  refinedOn: z.int().positive().optional(),
  /** Who answers for the name, where that is not the specialisation itself. Files from before other rungs say it by their prompt. */
  answers: z.enum(rungs).optional(),
  /** Kept for that: refined gates, as the text of a specialisation; sentences of the prompt; the whole prompt. */
  refined: z.string().optional(),
  residual: z.string().optional(),
  prompt: z.string().optional(),
});
export type Certificate = z.infer<typeof Certificate>;

/** The cheapest rung that scores the threshold; null where none does. */
export const lowestRung = (found: Certificate["parties"], threshold: number): Rung | null =>
  rungs.find((rung) => (found[rung]?.score.mean ?? -1) >= threshold) ?? null;

/** Who answers for a name whose content has this certificate. */
export const answeringRung = ({ answers, prompt }: Certificate): Rung =>
  answers ?? (prompt === undefined ? "specialized" : "prompted");

/** Readers see who answers, and no text of a kept prompt, or of a part of it. */
export const shownCertificate = (certificate: Certificate) => {
  const { prompt, residual, refined, ...rest } = certificate;
  return {
    ...rest,
    answers: answeringRung(certificate),
    keepsPrompt: prompt !== undefined || residual !== undefined,
    isRefined: refined !== undefined,
  };
};
