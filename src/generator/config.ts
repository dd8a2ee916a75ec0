/** @file The generator's configuration: the paper's defaults (Table 9 and the chosen readings AMB-1 … AMB-26), every one a key. */
import { z } from "zod";
import type { LinearMap } from "../models/config.ts";

/** Linear maps of a layer that experts may adapt, as a generator's tensors spell them, whatever the architecture. */
export const expertTargets = {
  q: "self_attn.q_proj",
  k: "self_attn.k_proj",
  v: "self_attn.v_proj",
  o: "self_attn.o_proj",
  gate: "mlp.gate_proj",
  up: "mlp.up_proj",
  down: "mlp.down_proj",
} as const satisfies { readonly [M in LinearMap]: string };

export type ExpertTarget = LinearMap;

const Target = z.enum(Object.keys(expertTargets) as [ExpertTarget, ...ExpertTarget[]]);

const Targets = z
  .array(Target)
  .refine((targets) => new Set(targets).size === targets.length, "expected each target once");

export const GeneratorConfig = z
  .strictObject({
    /** Experts per pool: n. */
    experts: z.int().min(1).max(1024).default(8),
    /** Experts kept per layer: K. */
    topK: z.int().min(1).max(1024).default(2),
    /** Rank r of each expert, and its α: an expert's weight change is (α/r)·B·A. */
    rank: z.int().min(1).max(1024).default(16),
    alpha: z.number().positive().default(16),
    targets: Targets.min(1).default(["gate", "up", "down"]),
    /** Mix weight changes Σ G·B·A (rank K·r), or factors (Σ G·B)(Σ G·A) (rank r). AMB-3. */
    compose: z.enum(["delta", "factors"]).default("delta"),
    /** Gates over a pool (LoRA-Gen), or LoRA weights straight from the meta tokens (the "direct" ablation, Table 8). */
    generation: z.enum(["pool", "direct"]).default("pool"),
    /** One pool for all layers, or one per layer. AMB-1. */
    poolScope: z.enum(["shared", "layer"]).default("shared"),
    routerScope: z.enum(["shared", "layer"]).default("shared"),
    /** Width of the router's hidden layer; null: a quarter of the cloud model's. AMB-15. */
    routerHidden: z.int().min(1).nullable().default(null),
    routerNorm: z.enum(["batch", "none"]).default("batch"),
    /** Weight of a new batch in the running statistics. */
    routerMomentum: z.number().gt(0).max(1).default(0.1),
    strategy: z.enum(["keepTopK", "gumbel", "dense"]).default("keepTopK"),
    /** Whether kept gates are renormalised to sum to 1 (eq. 5). AMB-5. */
    renormalize: z.boolean().default(true),
    /** Steps over which training moves from dense gates to the kept K; 0: kept from the first step. */
    annealSteps: z.int().min(0).default(0),
    metaTokens: z.enum(["single", "distinct"]).default("single"),
    cloudTargets: Targets.default(["q", "v"]),
    cloudRank: z.int().min(1).max(1024).default(16),
    cloudAlpha: z.number().positive().default(16),
    /** Load balance: α·CV² of importance over the batch and layers, per layer then averaged, or of the dense probabilities. AMB-6. */
    auxForm: z.enum(["batch", "perLayer", "probabilities"]).default("batch"),
    auxCoefficient: z.number().min(0).default(0.01),
  })
  .refine(({ topK, experts }) => topK <= experts, { path: ["topK"], message: "expected at most as many as experts" });

export type GeneratorConfig = z.infer<typeof GeneratorConfig>;

/** The paper's configuration. */
export const defaultGenerator: GeneratorConfig = Object.freeze(GeneratorConfig.parse({}));
