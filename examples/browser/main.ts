/** @file A page that loads a small model once and answers with one specialisation after another. */
import {
  type Answerer,
  bestDevice,
  createAnswerer,
  type Device,
  type EdgePair,
  fetchFiles,
  loadEdgePair,
  parseSpecialization,
} from "lora-gen/browser";
import type { SpecializedTask } from "./tasks.ts";

const element = <T extends HTMLElement = HTMLElement>(id: string) => document.getElementById(id) as T;
const [input, output, status] = [element<HTMLTextAreaElement>("input"), element("output"), element("status")];
const [button, deviceChoice] = [element<HTMLButtonElement>("answer"), element<HTMLSelectElement>("device")];
const read = fetchFiles(new URL(import.meta.env.BASE_URL, location.href).href);
const text = async (path: string) => new TextDecoder().decode(await read(path));
const deviceNames: Partial<Record<Device, string>> = { webgpu: "WebGPU", wasm: "WebAssembly" };

function say(message: string, isError = false): void {
  status.textContent = message;
  status.classList.toggle("error", isError);
}

// What fails in a thread of ONNX Runtime reaches no promise.
addEventListener("error", ({ message }) => say(message, true));

async function loadPair(): Promise<EdgePair> {
  const received = new Map<string, number>();
  const from = performance.now();
  const files = fetchFiles(new URL(`${import.meta.env.BASE_URL}pair`, location.href).href, {
    onProgress(path, bytes) {
      received.set(path, bytes);
      say(`Loading the model: ${megabytes()}`);
    },
  });
  const megabytes = () => `${([...received.values()].reduce((a, b) => a + b, 0) / 1e6).toFixed(1)} MB`;
  const pair = await loadEdgePair(files);
  element("base").textContent = `${megabytes()}, ${seconds(performance.now() - from)}`;
  return pair;
}

const seconds = (ms: number): string => (ms < 1000 ? `${ms.toFixed(0)} ms` : `${(ms / 1000).toFixed(1)} s`);

const perSecond = (count: number, ms: number): string => {
  const rate = (count / ms) * 1000;
  return rate.toFixed(rate < 10 ? 1 : 0);
};

/** The model in use. Work is done in turn: a choice made meanwhile waits. */
let answerer: Answerer | undefined;
let turn: Promise<void> = Promise.resolve();
function inTurn(work: () => Promise<void>): void {
  button.disabled = true;
  turn = turn
    .then(work)
    .catch((error: unknown) => say(error instanceof Error ? error.message : String(error), true))
    .then(() => {
      button.disabled = answerer === undefined;
    });
}

/** Merges a specialisation into the base weights, which stay in memory, and compiles the result. */
async function use(pair: EdgePair, task: SpecializedTask): Promise<void> {
  say(`Specialising: ${task.title}`);
  const specialization = parseSpecialization(await text(`tasks/${task.name}/specialization.json`), task.name);
  const device = deviceChoice.value === "auto" ? await bestDevice() : (deviceChoice.value as Device);
  const from = performance.now();
  const next = await createAnswerer(pair, { specialization, device });
  await answerer?.close();
  answerer = next;
  element("switched").textContent = seconds(performance.now() - from);
  element("size").textContent = `${task.bytes} bytes for ${task.promptTokens} tokens`;
  element("used").textContent = deviceNames[device] ?? device;
  element("prompt").textContent = task.prompt;
  element("samples").replaceChildren(...task.samples.map(sampleButton));
  document.body.dataset["task"] = task.name;
  say("Ready.");
}

function sampleButton(sample: string): HTMLButtonElement {
  const made = Object.assign(document.createElement("button"), { type: "button", textContent: sample });
  made.addEventListener("click", () => {
    input.value = sample;
    element<HTMLFormElement>("form").requestSubmit();
  });
  return made;
}

async function answer(): Promise<void> {
  say("Answering…");
  const { ids, inputTokens, outputTokens, finish, ms } = await answerer!.answer(input.value, {
    maxTokens: element<HTMLInputElement>("limit").valueAsNumber,
    onText: (piece) => output.append(piece),
  });
  output.dataset["ids"] = ids.join(" ");
  element("speed").textContent = `${perSecond(outputTokens, ms.decode)} tokens/s`;
  const ending = finish === "length" ? ", stopped at the limit" : "";
  say(
    `${inputTokens} tokens read in ${seconds(ms.prefill)}, ${outputTokens} written in ${seconds(ms.decode)}${ending}.`,
  );
}

function taskChoice(task: SpecializedTask, choose: () => void): HTMLLabelElement {
  const label = document.createElement("label");
  const radio = Object.assign(document.createElement("input"), { type: "radio", name: "task", value: task.name });
  radio.addEventListener("change", choose);
  const size = Object.assign(document.createElement("small"), { textContent: `${task.bytes} B` });
  label.append(radio, task.title, size);
  return label;
}

inTurn(async () => {
  const choices = JSON.parse(await text("tasks.json")) as SpecializedTask[];
  const pair = await loadPair();
  let chosen = choices[0]!;
  element("tasks").replaceChildren(
    ...choices.map((task) =>
      taskChoice(task, () => {
        chosen = task;
        inTurn(() => use(pair, task));
      }),
    ),
  );
  deviceChoice.addEventListener("change", () => inTurn(() => use(pair, chosen)));
  element<HTMLFormElement>("form").addEventListener("submit", (event) => {
    event.preventDefault();
    output.textContent = "";
    delete output.dataset["ids"];
    inTurn(answer);
  });
  const asked = new URLSearchParams(location.search).get("device");
  if (asked !== null) deviceChoice.value = asked;
  element("tasks").querySelector("input")!.checked = true;
  await use(pair, chosen);
});
