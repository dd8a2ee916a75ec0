/** @file What the tokenizer of the toy pair should know besides prose: inputs, answers and instructions. Train rows only. */
import { readBanking } from "../../sources/banking77.ts";
import { readClinc } from "../../sources/clinc150.ts";
import { readChoices } from "../../sources/multiple-choice.ts";
import { readDialogues } from "../../sources/sgd.ts";
import { readSnips } from "../../sources/snips.ts";
import { readNiDescriptions, readNiTasks } from "../../sources/super-ni.ts";
import { UNSEEN_CLINC_DOMAINS } from "./held-out.ts";
import { callTarget, intentTarget, jsonTarget } from "./output-format.ts";

/** How often the short rows are counted, so that their words are not lost in the prose and the dialogues. */
const REPEATS = 4;

/** Texts of the assistant data sets, as they will be read and answered. */
export async function taskText(data: string): Promise<string[]> {
  const texts: string[] = [];
  const clinc = (await readClinc(data, "train")).filter((row) => !UNSEEN_CLINC_DOMAINS.includes(row.domain));
  for (const { text, intent } of [...clinc, ...(await readBanking(data, "train"))]) {
    texts.push(text, intent, intentTarget.json(intent), intentTarget.call(intent));
  }
  for (const { text, intent, slots } of await readSnips(data, "train")) {
    texts.push(text, intent, jsonTarget(slots.map(({ slot, value }) => [slot, value])));
  }
  for (const set of ["arc_easy", "arc_challenge", "openbookqa"] as const) {
    for (const { question, choices } of await readChoices(data, set, "train")) texts.push(question, choices.join("\n"));
  }
  const dialogues: string[] = [];
  for (const { turns } of await readDialogues(data, "train")) {
    for (const { speaker, utterance, service_call: calls = [] } of turns) {
      if (speaker === "USER") dialogues.push(utterance);
      for (const { method, parameters } of calls) dialogues.push(callTarget(method, Object.entries(parameters)));
    }
  }
  const tasks = (await readNiTasks(data)).filter((task) => task.split === "train");
  const descriptions = await readNiDescriptions(data);
  const instructions = tasks.flatMap((task) => [task.definition, ...(descriptions.get(task.task) ?? []).slice(0, 20)]);
  return [...Array.from({ length: REPEATS }, () => texts).flat(), ...dialogues, ...instructions];
}
