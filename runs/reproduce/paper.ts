/** @file The numbers that the documents report, as printed: LoRA-Gen (Xiao et al., ICML 2025), its reviews, and Transformer² (ICLR 2025). */

/** In the order of table 2's columns. */
export const paperTasks = ["ARC-c", "ARC-e", "OBQA", "BoolQ", "SIQA", "HellaS", "WinoG", "PIQA"] as const;
export const seenTasks = 5;

/** Cells in percent, then AVE and HAR as printed. */
export type PaperRow = {
  readonly name: string;
  readonly cells: readonly number[];
  readonly average: number;
  readonly harmonic: number;
  /** Milliseconds a question of ARC-c on an A100. */
  readonly ms?: number;
};

const row = (name: string, cells: readonly number[], average: number, harmonic: number, ms?: number): PaperRow => ({
  name,
  cells,
  average,
  harmonic,
  ...(ms === undefined ? {} : { ms }),
});

export const table2: readonly PaperRow[] = [
  row("TinyLLaMA-1.1B", [34.2, 66.9, 27.4, 58.8, 46.0, 45.8, 60.7, 73.9], 51.7, 46.7, 44.5),
  row("TinyLLaMA-1.1B + LoRA", [33.6, 67.6, 28.6, 71.9, 51.5, 44.5, 61.9, 75.1], 54.3, 48.5, 44.5),
  row("TinyLLaMA-1.1B + LoRAMoE", [35.2, 68.8, 28.6, 73.2, 52.1, 45.4, 62.0, 74.1], 54.9, 49.3, 55.9),
  row("TinyLLaMA-1.1B + MixLoRA", [33.5, 67.7, 28.4, 73.3, 51.4, 44.9, 62.3, 74.6], 54.5, 48.6, 100.1),
  row("TinyLLaMA-1.1B + LoRA-Gen", [35.8, 69.1, 30.4, 73.6, 49.6, 45.5, 62.6, 74.1], 55.1, 49.8, 21.2),
  row("Qwen-1.5B", [41.9, 73.1, 29.0, 73.3, 50.6, 49.0, 65.3, 76.2], 57.3, 51.9, 56.3),
  row("Qwen-1.5B + LoRA", [43.3, 73.9, 31.2, 77.6, 54.9, 48.8, 66.5, 76.9], 59.1, 53.9, 56.3),
  row("Qwen-1.5B + LoRAMoE", [43.9, 73.7, 29.8, 77.3, 53.4, 48.7, 66.3, 76.9], 58.8, 53.2, 65.7),
  row("Qwen-1.5B + MixLoRA", [43.4, 73.8, 31.8, 78.2, 54.6, 48.9, 66.4, 76.5], 59.2, 54.2, 141.9),
  row("Qwen-1.5B + LoRA-Gen", [44.3, 74.3, 33.4, 79.6, 53.6, 49.1, 67.4, 76.9], 59.8, 55.0, 26.7),
  row("Gemma-2B", [50.3, 81.5, 33.8, 73.4, 49.3, 55.6, 71.5, 78.7], 61.8, 57.0, 87.3),
  row("Gemma-2B + LoRA", [49.9, 78.2, 36.0, 80.9, 56.8, 55.4, 71.7, 79.2], 63.5, 59.2, 87.3),
  row("Gemma-2B + LoRAMoE", [50.9, 82.0, 38.8, 78.4, 55.2, 54.0, 72.9, 79.3], 63.9, 60.0, 101.8),
  row("Gemma-2B + MixLoRA", [52.3, 79.4, 38.6, 75.6, 59.1, 54.1, 72.7, 78.2], 63.8, 60.2, 177.7),
  row("Gemma-2B + LoRA-Gen", [51.2, 81.9, 39.0, 76.2, 55.6, 56.0, 71.6, 79.5], 63.9, 60.2, 36.1),
];

export const table17: readonly PaperRow[] = [
  row("baseline", [53.2, 81.6, 34.2, 83.2, 52.6, 57.7, 71.6, 78.6], 64.1, 59.1),
  row("LoRA-Gen", [57.5, 83.6, 38.2, 84.5, 59.8, 58.2, 73.3, 79.8], 66.9, 62.8),
];

/** Six tasks: ARC-c, ARC-e, OBQA, SIQA, WinoG, PIQA. By balance coefficient. */
export const table19: readonly PaperRow[] = [
  row("0.1", [41.3, 73.1, 31.8, 54.5, 65.9, 75.9], 57.1, 51.7),
  row("0.05", [43.1, 74.2, 32.9, 54.3, 66.3, 76.2], 57.8, 52.8),
  row("0.01", [44.8, 74.7, 33.0, 55.3, 67.3, 76.8], 58.7, 53.6),
  row("0.005", [41.6, 72.8, 28.8, 54.5, 66.9, 76.3], 56.8, 50.5),
  row("without", [39.8, 71.5, 29.0, 53.0, 66.2, 76.8], 56.1, 49.8),
];

/** The same on validation rows. */
export const table22: readonly PaperRow[] = [
  row("0.005", [42.3, 72.7, 28.8, 54.5, 66.9, 76.3], 56.9, 50.6),
  row("without", [39.5, 71.3, 28.6, 53.0, 66.2, 76.8], 55.9, 49.5),
  row("0.01", [44.5, 74.7, 33.6, 55.3, 67.3, 76.8], 58.7, 53.7),
];

export const accuracyTables: Readonly<Record<string, readonly PaperRow[]>> = {
  "Table 2 (three edge models, eight tasks)": table2,
  "Table 17 (LLaMA3-8B)": table17,
  "Table 19 (auxiliary loss, six tasks)": table19,
  "Table 22 (auxiliary loss, validation)": table22,
};

/** GPT4Tools with Gemma-2B: SR_t, SR_act, SR_args, SR, IoU, then the average as printed. */
export const table3 = {
  "base, tools in the prompt": { cells: [86.3, 77.6, 77.7, 65.0, 89.7], average: 79.3 },
  "LoRA, tools in the prompt": { cells: [99.4, 79.6, 93.8, 78.2, 91.0], average: 88.4 },
  "LoRA, no tools": { cells: [98.0, 60.9, 83.2, 52.1, 81.3], average: 75.1 },
  "LoRA-Gen, untrained": { cells: [94.1, 86.8, 79.7, 73.3, 86.9], average: 84.2 },
  "LoRA-Gen, trained": { cells: [98.6, 88.0, 93.4, 84.0, 93.6], average: 91.5 },
} as const;

/** Standard errors of table 10 by edge model, in the columns of table 2. */
export const table10: Readonly<Record<string, readonly number[]>> = {
  "TinyLLaMA-1.1B": [0.0146, 0.0089, 0.0219, 0.0076, 0.0112, 0.005, 0.0134, 0.01],
  "Qwen-1.5B": [0.0145, 0.0089, 0.0229, 0.0071, 0.0113, 0.005, 0.0132, 0.0098],
  "Gemma-2B": [0.0146, 0.0089, 0.0218, 0.0075, 0.0112, 0.005, 0.0135, 0.0096],
};

/** Rows of each set as printed (S2 table 11), in the columns of table 2. */
export const table11 = {
  train: [1120, 2250, 4957, 9427, 33410, 39905, 9248, 16100],
  test: [1171, 2380, 500, 3270, 1954, 10042, 1267, 1838],
} as const;

/** Qwen-1.5B, 100 tokens of input behind an instruction of 200: FLOPs as printed, which are multiplications of one forward pass. */
export const table12 = {
  LoRA: { train: 4.736e11, infer: 4.708e11 },
  LoRAMoE: { train: 4.742e11, infer: 4.742e11 },
  MixLoRA: { train: 5.061e11, infer: 5.048e11 },
  "LoRA-Gen": { train: 1.667e12, infer: 1.552e11 },
} as const;

/** The same page: memory and seconds at a batch of 8 on an A100, as printed, in inference. */
export const table12Inference = {
  LoRA: { mib: 11208, seconds: 0.19 },
  LoRAMoE: { mib: 11286, seconds: 0.22 },
  MixLoRA: { mib: 11828, seconds: 1.08 },
  "LoRA-Gen": { mib: 10932, seconds: 0.11 },
} as const;

/** Four properties (table 1); the mark of LoraHub's second one cannot be read. */
export const table1 = {
  ICL: [false, false, true, false],
  LoRA: [false, true, false, false],
  "LoRA-MoE": [false, false, true, false],
  LoraHub: [false, undefined, false, false],
  "LoRA-Gen": [true, true, true, true],
} as const;

/** The poet (table 14): the prompt and both answers, over Gemma-2B. What the user said is not printed; both answers are about love. */
export const table14 = {
  prompt:
    "I want you to act as a poet, crafting verses that resonate deeply with the soul. Your task is to create a poem that not only evokes emotions but also possesses the power to move and inspire those who read it. The subject matter will be provided by the user, and your words should be carefully chosen to express the essence of that theme in a way that touches hearts and stirs deep feelings. Aim for beauty in your language—let your choice of words carry both meaning and emotion, so that each line speaks to the reader on a profound level. Whether the tone is joyful, melancholic, or contemplative, your poem should paint vivid images and capture the emotions you wish to convey.",
  specialised: [
    "A whisper in the wind, a touch so light,",
    "A spark ignites, banishing the night.",
    "Love's gentle hand, a warm embrace,",
    "A smile that lights up every space.",
    "",
    "Two souls entwined, a tapestry of dreams,",
    "Where laughter dances and love softly gleams.",
    "A bond unbreakable, a trust so deep,",
    "In each other's eyes, secrets they keep.",
    "",
    "Through storms and sunshine, hand in hand they roam,",
    "Building castles of hope, a love that calls them home.",
    "A silent language, spoken in the heart,",
    "A symphony of feelings, a work of art.",
    "",
    "For love is a journey, a path to explore,",
    "A treasure to cherish, forevermore.",
    "A beacon of hope, a guiding star,",
    "Love's gentle light, shining near and far.",
  ],
  prompted: [
    "Love, a whisper on the wind,",
    "A melody that softly spins,",
    "A tapestry of threads so fine,",
    "Woven with dreams, and hopes divine.",
    "",
    "A touch that sets the soul alight,",
    "A beacon in the darkest night,",
    "A warmth that melts the coldest fear,",
    "A solace, ever drawing near.",
    "",
    "It blooms in laughter, shared and bright,",
    "In silent moments, bathed in light,",
    "A gentle hand, a knowing glance,",
    "A shared embrace, a sacred dance.",
    "",
    "Love's strength endures, a steadfast guide,",
    "Through storms and calm, it cannot hide,",
    "A constant echo, soft and deep,",
    "A promise whispered, secrets to keep.",
    "",
    "So let us cherish every breath,",
    "This precious gift, beyond all death,",
    "For love's embrace, a timeless art,",
    "A masterpiece, that sets the heart.",
    "",
    "Let me know if you'd like me to explore a specific aspect of love, or if you have a particular style or tone in mind.",
  ],
} as const;

/** Times as fast without the 26 tools in the prompt (figure 4). */
export const figure4SpeedUp = 3.2;

/** The average of GPT4Tools' five metrics over four evaluations: plus or minus so many points (S2 A.3). */
export const gpt4toolsSpread = 0.65;

/** Unseen tasks of table 20 (HellaSwag, WinoGrande, PIQA), the mean and milliseconds as printed. */
export const table20 = {
  "LLaMA-7B, Gisting": { cells: [19.6, 38.6, 46.1], average: 34.8, ms: 166.3 },
  "LLaMA-7B, LoRA-Gen": { cells: [58.1, 72.1, 77.2], average: 69.1, ms: 162.0 },
  "LLaMA2-7B, AutoCompressors": { cells: [57.3, 68.8, 77.5], average: 68.9, ms: 64.08 },
  "LLaMA2-7B, 500xCompressor": { cells: [25.9, 48.1, 52.7], average: 42.3, ms: 76.87 },
  "LLaMA2-7B, ICAE": { cells: [26.7, 48.6, 55.9], average: 43.7, ms: 69.76 },
  "LLaMA2-7B, LoRA-Gen": { cells: [56.1, 72.5, 78.4], average: 69.0, ms: 61.49 },
  "OPT-2.7B, AutoCompressors": { cells: [44.7, 62.4, 73.3], average: 60.1, ms: 11.4 },
  "OPT-2.7B, LoRA-Gen": { cells: [46.3, 63.7, 74.9], average: 61.6, ms: 7.54 },
} as const;

/** Tokens of instruction, of what is left of it, of input, and milliseconds on a CPU (table 23). */
export const table23 = {
  baseline: { instruction: 266, residual: 266, input: 51, ms: 1398, ratio: 1 },
  AutoCompressors: { instruction: 266, residual: 50, input: 51, ms: 821.4, ratio: 3.14 },
  "LoRA-Gen": { instruction: 266, residual: 0, input: 51, ms: 673.1, ratio: 6.22 },
} as const;

/** AVE and HAR with Qwen-1.5B, by router. */
export const table7 = { "Gumbel top-k": [56.4, 51.2], "KeepTop-K": [58.7, 53.6] } as const;

/** AVE of the ablations with Qwen-1.5B: direct against indirect generation on seen and unseen tasks (table 8), the number of experts (table 4). */
export const table8 = { direct: { seen: 52.4, unseen: 61.0 }, indirect: { seen: 52.0, unseen: 72.1 } } as const;
export const table4 = { "4": [56.1, 49.9], "8": [58.7, 53.6], "12": [57.0, 50.7] } as const;
export const table6 = {
  "base, 3 shots": [55.5, 49.3],
  "base, 5 shots": [56.0, 49.9],
  "LoRA-Gen, 1 shot": [58.4, 53.4],
} as const;

/** Hyper-parameters (S2 table 9). */
export const table9 = {
  learningRate: 2e-5,
  warmupSteps: 50,
  schedule: "cosine",
  weightDecay: 0.1,
  beta1: 0.9,
  beta2: 0.999,
  batch: 64,
  epochs: 4,
  maxLength: 2048,
  rank: 16,
  alpha: 16,
  dropout: 0.05,
  experts: 8,
  topK: 2,
  auxCoefficient: 0.01,
} as const;

/** The tools of the agent demo, in the order of tables 15 to 17. */
export const demoTools = [
  "Assess the Image Quality",
  "Recognize Face",
  "Detect Face",
  "Crop the Given Object",
  "Generate 3D Asset From User Input Text",
  "Image Super-Resolution",
  "Detection",
  "Text Detection On Image",
  "Generate Image From User Input Text",
  "Generate Image Condition On Canny Image",
  "Generate Image Condition On Depth",
  "Segment the Image",
  "Generate Image Condition On Sketch Image",
  "Replace Something From The Photo",
  "Generate Image Condition On Segmentations",
  "Generate Image Condition On Pose Image",
  "Instruct Image Using Text",
  "Generate Image Condition On Soft Hed Boundary Image",
  "Generate Image Condition On Normal Map",
  "Remove Something From The Photo",
  "Generate Image Condition On Normal Map",
  "Segment the Image",
  "Get Photo Description",
  "Edge Detection On Image",
  "Predict Depth On Image",
  "Replace Something From The Photo",
] as const;
