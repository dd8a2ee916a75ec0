/** @file `fig2` and `fig3`: the three ways to adapt, and the data flow of LoRA-Gen with its equations. */
import { type Box, drawing } from "../drawing.ts";
import { paragraphs } from "../markdown.ts";
import type { Page } from "../row.ts";

const legend = "Grey: frozen. Orange: trained. Green: made for one prompt.";

const box = (x: number, y: number, width: number, text: readonly string[], look: Box["look"], height = 46): Box => ({
  x,
  y,
  width,
  height,
  text,
  look,
});

/** Three columns: what is read, what is added to the frozen map, what comes out. */
export const figure2 = (): string =>
  drawing(
    { title: "LoRA, LoRA-MoE and LoRA-Gen side by side", width: 900, height: 330 },
    {
      captions: [
        { x: 140, y: 28, text: "LoRA: one for a task" },
        { x: 440, y: 28, text: "LoRA-MoE: routed for each token" },
        { x: 750, y: 28, text: "LoRA-Gen: made for a prompt" },
      ],
      boxes: [
        box(60, 250, 160, ["prompt + input"], "plain"),
        box(30, 150, 100, ["W"], "frozen"),
        box(150, 150, 100, ["B A"], "trained"),
        box(60, 50, 160, ["answer"], "plain"),
        box(360, 250, 160, ["prompt + input"], "plain"),
        box(310, 150, 70, ["W"], "frozen"),
        box(400, 150, 80, ["router"], "trained"),
        box(500, 150, 80, ["experts", "B A"], "trained"),
        box(360, 50, 160, ["answer"], "plain"),
        box(620, 250, 110, ["prompt"], "plain"),
        box(620, 150, 110, ["cloud model,", "router, experts"], "trained"),
        box(770, 150, 110, ["W + Σ G B A"], "made"),
        box(770, 250, 110, ["input"], "plain"),
        box(770, 50, 110, ["answer"], "plain"),
      ],
      arrows: [
        { from: [110, 250], to: [80, 196] },
        { from: [170, 250], to: [200, 196] },
        { from: [80, 150], to: [110, 96] },
        { from: [200, 150], to: [170, 96] },
        { from: [410, 250], to: [345, 196] },
        { from: [440, 250], to: [440, 196] },
        { from: [480, 173], to: [500, 173] },
        { from: [345, 150], to: [410, 96] },
        { from: [540, 150], to: [470, 96] },
        { from: [675, 250], to: [675, 196] },
        { from: [730, 173], to: [770, 173], label: "gates" },
        { from: [825, 250], to: [825, 196] },
        { from: [825, 150], to: [825, 96] },
      ],
    },
  );

/** From the prompt to the answer; the numbers are the paper's equations. */
export const figure3 = (): string =>
  drawing(
    { title: "The data flow of LoRA-Gen", width: 980, height: 300 },
    {
      captions: [
        { x: 310, y: 28, text: "once for each prompt" },
        { x: 780, y: 28, text: "for each input" },
      ],
      boxes: [
        box(20, 60, 140, ["system prompt", "+ <meta> × L"], "plain", 56),
        box(200, 60, 130, ["cloud model", "(LoRA on q, v)"], "frozen", 56),
        box(370, 60, 110, ["router", "(3)"], "trained", 56),
        box(520, 60, 130, ["KeepTop-K", "(5)"], "plain", 56),
        box(370, 190, 110, ["pool of n", "experts"], "trained", 56),
        box(520, 190, 130, ["Σ G_j E_j", "(6)"], "made", 56),
        box(710, 190, 130, ["edge model", "W + A B (1)"], "made", 56),
        box(710, 60, 130, ["input"], "plain", 56),
        box(870, 190, 90, ["answer"], "plain", 56),
      ],
      arrows: [
        { from: [160, 88], to: [200, 88] },
        { from: [330, 88], to: [370, 88], label: "H" },
        { from: [480, 88], to: [520, 88], label: "R" },
        { from: [585, 116], to: [585, 190], label: "gates G, L × n" },
        { from: [480, 218], to: [520, 218] },
        { from: [650, 218], to: [710, 218], label: "merge" },
        { from: [775, 116], to: [775, 190] },
        { from: [840, 218], to: [870, 218] },
      ],
    },
  );

export const figure2Page = async (): Promise<Page> => ({
  text: paragraphs(
    "![LoRA, LoRA-MoE and LoRA-Gen side by side](fig2.svg)",
    `${legend} LoRA needs a training for each task. A mixture of LoRA experts routes every token at run time and reads the prompt with every input. LoRA-Gen reads the prompt once, and the edge model answers without it and without additional operations.`,
  ),
  pictures: { "fig2.svg": figure2() },
});

export const figure3Page = async (): Promise<Page> => ({
  text: paragraphs(
    "![The data flow of LoRA-Gen](fig3.svg)",
    `${legend} Numbers in brackets are the paper's equations. The loss is the cross-entropy of the answer and the balance of the experts' load (7, 8). Eq. 2 is the mixture that LoRA-MoE computes for each token; eq. 4 is Gumbel's form of the router.`,
    "Where each stands in the code: [architecture](../architecture.md#the-generator).",
  ),
  pictures: { "fig3.svg": figure3() },
});
