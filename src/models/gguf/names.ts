/** @file What llama.cpp calls our architectures and their tensors, and how its tensors differ from those of a checkpoint. */
import { AppError } from "../../base/errors.ts";
import { architectures } from "../architectures/index.ts";
import { checkpointTensors } from "../checkpoint.ts";
import type { LinearMap, ModelConfig, ModelType } from "../config.ts";
import { convolves, layerMaps, linearName, linearSize, parameterShapes } from "../parameters.ts";

type GgufArchitecture = {
  /** `general.architecture` */
  readonly name: string;
  /** Whether the rows of q and k are stored as pairs (x_i, x_{i+d/2}) side by side, as its rotary operator wants them. */
  readonly pairsRows: boolean;
  /** Added to the gains of norms. */
  readonly gainOffset: number;
  readonly norms: {
    readonly beforeAttention: string;
    readonly afterAttention?: string;
    readonly beforeFeedForward: string;
    readonly afterFeedForward?: string;
  };
  readonly headNorms?: { readonly q: string; readonly k: string };
  /** The last norm, where it has another name than elsewhere. */
  readonly lastNorm?: string;
  /** Of layers that convolve. */
  readonly taps?: string;
  /** By the names of tensors of several maps: llama.cpp has them so too. */
  readonly fused?: Readonly<Record<string, string>>;
};

const norms = { beforeAttention: "attn_norm", beforeFeedForward: "ffn_norm" };
const headNorms = { q: "attn_q_norm", k: "attn_k_norm" };
const aroundNorms = { ...norms, afterAttention: "post_attention_norm", afterFeedForward: "post_ffw_norm" };

/** Those llama.cpp has. It knows Mistral as a Llama. */
export const ggufArchitectures: { readonly [T in ModelType]?: GgufArchitecture } = {
  llama: { name: "llama", pairsRows: true, gainOffset: 0, norms },
  mistral: { name: "llama", pairsRows: true, gainOffset: 0, norms },
  qwen2: { name: "qwen2", pairsRows: false, gainOffset: 0, norms },
  qwen3: { name: "qwen3", pairsRows: false, gainOffset: 0, norms, headNorms },
  gemma: { name: "gemma", pairsRows: false, gainOffset: 1, norms },
  gemma2: { name: "gemma2", pairsRows: false, gainOffset: 1, norms: aroundNorms },
  gemma3_text: { name: "gemma3", pairsRows: false, gainOffset: 1, norms: aroundNorms, headNorms },
  granite: { name: "granite", pairsRows: true, gainOffset: 0, norms },
  smollm3: { name: "smollm3", pairsRows: true, gainOffset: 0, norms },
  phi3: {
    name: "phi3",
    pairsRows: false,
    gainOffset: 0,
    norms,
    fused: { "self_attn.qkv_proj": "attn_qkv", "mlp.gate_up_proj": "ffn_up" },
  },
  lfm2: {
    name: "lfm2",
    pairsRows: false,
    gainOffset: 0,
    norms,
    headNorms,
    lastNorm: "token_embd_norm",
    taps: "shortconv.conv",
  },
};

const maps: { readonly [M in LinearMap]: string } = {
  q: "attn_q",
  k: "attn_k",
  v: "attn_v",
  o: "attn_output",
  in: "shortconv.in_proj",
  out: "shortconv.out_proj",
  gate: "ffn_gate",
  up: "ffn_up",
  down: "ffn_down",
};

/** Where a tensor lies in a GGUF file, and how it differs there. */
export type GgufPlace = {
  readonly name: string;
  /** Heads whose rows are stored in pairs; undefined: rows are as they are. */
  readonly pairedHeads: number | undefined;
  /** Added to every value. */
  readonly offset: number;
  /** The shape there, where it has fewer axes. */
  readonly shape?: readonly number[];
  /** Which of the tensor's rows it is, where that holds several maps. */
  readonly rows?: { readonly from: number; readonly of: number };
};

/** llama.cpp's view of a model. Throws E_ARCHITECTURE naming those it has. */
export function ggufArchitecture({ modelType }: Pick<ModelConfig, "modelType">, what: string): GgufArchitecture {
  const found = ggufArchitectures[modelType];
  if (found === undefined)
    throw new AppError(
      "E_ARCHITECTURE",
      `${what}: llama.cpp has no architecture for ${modelType}; it has: ${Object.keys(ggufArchitectures).join(", ")}`,
    );
  return found;
}

/** Name in a checkpoint → place in a GGUF file, of every tensor. Throws E_ARCHITECTURE. */
export function ggufPlaces(config: ModelConfig): Map<string, GgufPlace> {
  const found = ggufArchitecture(config, "GGUF");
  const { pairsRows, gainOffset, norms: normNames, headNorms: headNames, lastNorm = "output_norm" } = found;
  const { embedding, layers, norms, headNorms, taps, fused = {} } = architectures[config.modelType];
  const places = new Map<string, GgufPlace>();
  const put = (name: string, to: string, more: Partial<Omit<GgufPlace, "name">> = {}) =>
    places.set(name, { name: to, pairedHeads: undefined, offset: 0, ...more });
  put(embedding, "token_embd.weight");
  put(`${norms.last}.weight`, `${lastNorm}.weight`, { offset: gainOffset });
  put("lm_head.weight", "output.weight");
  for (let layer = 0; layer < config.layers; layer++) {
    for (const [role, to] of Object.entries(normNames)) {
      const name = norms[role as keyof typeof normNames];
      if (name !== undefined)
        put(`${layers}.${layer}.${name}.weight`, `blk.${layer}.${to}.weight`, { offset: gainOffset });
    }
    if (headNames !== undefined && headNorms !== undefined)
      for (const target of ["q", "k"] as const)
        put(`${layers}.${layer}.${headNorms[target]}.weight`, `blk.${layer}.${headNames[target]}.weight`, {
          offset: gainOffset,
        });
    if (convolves(config, layer))
      put(`${layers}.${layer}.${taps}.weight`, `blk.${layer}.${found.taps}.weight`, {
        shape: [config.hidden, config.convolution!.width],
      });
    for (const map of layerMaps(config, layer)) {
      const heads = map === "q" ? config.heads : map === "k" ? config.kvHeads : undefined;
      const paired = pairsRows && heads !== undefined ? { pairedHeads: heads } : {};
      for (const part of ["weight", "bias"])
        put(`${linearName(config, layer, map)}.${part}`, `blk.${layer}.${maps[map]}.${part}`, paired);
    }
    for (const [name, parts] of Object.entries(fused)) {
      const of = parts.reduce((sum, map) => sum + linearSize(config, map).outputs, 0);
      let from = 0;
      for (const map of parts) {
        put(`${linearName(config, layer, map)}.weight`, `blk.${layer}.${found.fused![name]}.weight`, {
          rows: { from, of },
        });
        from += linearSize(config, map).outputs;
      }
    }
  }
  return new Map([...parameterShapes(config).keys()].map((name) => [name, places.get(name)!]));
}

/** The same by the tensors of a checkpoint, which hold several maps where llama.cpp's do. */
export function ggufCheckpointPlaces(config: ModelConfig): Map<string, GgufPlace> {
  const places = ggufPlaces(config);
  return new Map(
    checkpointTensors(config).map(({ name, parts }) => {
      const { rows: _, ...place } = places.get(parts[0]!)!;
      return [name, place];
    }),
  );
}
