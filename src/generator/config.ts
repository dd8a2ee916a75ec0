/**
 * @file The generator's configuration: the paper's defaults (Table 9), and where the paper leaves a choice, the chosen reading as the
 * default and the others as values. docs/architecture.md lists them all, with those that are keys elsewhere or not done.
 */
import { z } from "zod";
import type { LinearMap } from "../models/config.ts";

/** Linear maps of a layer that experts may adapt, as a generator's tensors spell them, whatever the architecture. */
export const expertTargets = {
  q: "self_attn.q_proj",
  k: "self_attn.k_proj",
  v: "self_attn.v_proj",
  o: "self_attn.o_proj",
  in: "conv.in_proj",
  out: "conv.out_proj",
  gate: "mlp.gate_proj",
  up: "mlp.up_proj",
  down: "mlp.down_proj",
} as const satisfies { readonly [M in LinearMap]: string };

export type ExpertTarget = LinearMap;

const Target = z.enum(Object.keys(expertTargets) as [ExpertTarget, ...ExpertTarget[]]);

const Targets = z
  .array(Target)
  .refine((targets) => new Set(targets).size === targets.length, "expected each target once");

/** Of a layer's maps, those that low-rank changes are on. */
export const ExpertTargets = Targets.min(1).default(["gate", "up", "down"]);

export const GeneratorConfig = z
  .strictObject({
    /** Experts per pool: n. */
    experts: z.int().min(1).max(1024).default(8),
    /** Experts kept per layer: K. */
    topK: z.int().min(1).max(1024).default(2),
    /**
     * Rank r of each expert, and its α: an expert's weight change is (α/r)·B·A. All experts share α and r, so that scaling the mixture
     * instead of each expert is the same: Σ G·(α/r)·B·A = (α/r)·Σ G·B·A, and as much for factors.
     */
    rank: z.int().min(1).max(1024).default(16),
    alpha: z.number().positive().default(16),
    targets: ExpertTargets,
    /**
     * Mix weight changes Σ G·B·A (rank K·r), factors (Σ G·B)(Σ G·A) (rank r), or factors apart, each by gates of its own: 2n
     * numbers a layer, n for A and n for B.
     */
    compose: z.enum(["delta", "factors", "factorsApart"]).default("delta"),
    /**
     * Gates over a pool of LoRAs (LoRA-Gen), LoRA weights straight from the meta tokens (the "direct" ablation, Table 8), or gates over factors
     * of the `rank` largest singular values of each map (Transformer²): W + Σ G·U(Σ⊙(z − 1))Vᵀ.
     */
    generation: z.enum(["pool", "direct", "svf"]).default("pool"),
    /** One pool for all layers, or one per layer. */
    poolScope: z.enum(["shared", "layer"]).default("shared"),
    routerScope: z.enum(["shared", "layer"]).default("shared"),
    /** Width of the router's hidden layer; null: a quarter of the cloud model's. */
    routerHidden: z.int().min(1).nullable().default(null),
    /**
     * BatchNorm over the logits (eq. 3), BatchNorm over the hidden layer (what the second linear map reads), LayerNorm of each row's
     * logits, or none.
     */
    routerNorm: z.enum(["batch", "batchHidden", "layer", "none"]).default("batch"),
    /** Statistics, gain and bias of the norm over all edge layers, or each layer's own; a router per layer has its own anyway. */
    routerNormScope: z.enum(["shared", "layer"]).default("shared"),
    /**
     * What BatchNorm normalises by in training: the batch's own statistics, which the running ones then follow, or the running ones as
     * they stand (inference always). The latter lets a router that was trained before go on with few prompts a step.
     */
    routerStatistics: z.enum(["batch", "running"]).default("batch"),
    /** Weight of a new batch in the running statistics. */
    routerMomentum: z.number().gt(0).max(1).default(0.1),
    /**
     * Gates are the softmax of the K largest logits, the same of logits with noise, that of all, or `linear`: the normed logits
     * themselves by √n, signed and all in use.
     */
    strategy: z.enum(["keepTopK", "gumbel", "dense", "linear"]).default("keepTopK"),
    /** Where Gumbel noise is added: in training only, or at inference too, there drawn from the prompt's hash. */
    gumbelNoise: z.enum(["training", "always"]).default("training"),
    /** Whether kept gates are renormalised to sum to 1 (eq. 5). */
    renormalize: z.boolean().default(true),
    /** Steps over which training moves from dense gates to the kept K; 0: kept from the first step. */
    annealSteps: z.int().min(0).default(0),
    /** One embedding for all meta tokens, or each its own. */
    metaTokens: z.enum(["single", "distinct"]).default("single"),
    /** A meta token sees the prompt and the meta tokens before it, or the prompt and itself alone. */
    metaAttention: z.enum(["causal", "block"]).default("causal"),
    /**
     * Which hidden state of a meta token the router reads, of what leaves cloud layers 1 … Lc: the last after the final norm, the last
     * as it is, the mean of all, each after the final norm, or for edge layer i of 1 … Le that of layer max(1, round(i·Lc/Le)) after
     * the final norm.
     */
    metaState: z.enum(["last", "preNorm", "mean", "matched"]).default("last"),
    /** How many of the cloud model's layers run, the first; the final norm follows the last of them. null: all. */
    cloudLayers: z.int().min(1).nullable().default(null),
    cloudTargets: Targets.default(["q", "v"]),
    cloudRank: z.int().min(1).max(1024).default(16),
    cloudAlpha: z.number().positive().default(16),
    /** Whether the cloud model's norms are trained too, as what is added to their gains and biases. */
    cloudNorms: z.boolean().default(false),
    /** How every B starts: at zero, so that step 0 is the base model, or normal with a standard deviation of 0.001. */
    initialB: z.enum(["zero", "small"]).default("zero"),
    auxCoefficient: z.number().min(0).default(0.01),
    /**
     * What keeps the experts' load even; balance.ts has the formulas. Where it is not given: `perLayer` for a pool per layer, whose
     * experts of one number have nothing to do with each other, else `batch`.
     */
    auxForm: z.enum(["batch", "perLayer", "probabilities", "elementwise", "switch"]).optional(),
  })
  .refine(({ topK, experts }) => topK <= experts, { path: ["topK"], message: "expected at most as many as experts" })
  .refine(
    ({ strategy, auxForm }) =>
      strategy !== "linear" || !["elementwise", "probabilities", "switch"].includes(auxForm ?? ""),
    {
      path: ["auxForm"],
      message: "expected batch or perLayer where strategy is linear: signed coefficients have no probabilities",
    },
  )
  .transform(({ auxForm, ...config }) => {
    const poolPerLayer = config.generation === "svf" || (config.generation === "pool" && config.poolScope === "layer");
    return { ...config, auxForm: auxForm ?? (poolPerLayer ? ("perLayer" as const) : ("batch" as const)) };
  });

export type GeneratorConfig = z.infer<typeof GeneratorConfig>;

/** How many rows of n gates a layer has: one, or one for A and one for B. */
export const gateSets = ({ compose }: Pick<GeneratorConfig, "compose">): 1 | 2 => (compose === "factorsApart" ? 2 : 1);

/** The paper's configuration. */
export const defaultGenerator: GeneratorConfig = Object.freeze(GeneratorConfig.parse({}));
