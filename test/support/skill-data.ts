/** @file Made-up rows of the data sets that the skills of Transformer² read, written into a folder. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

const many = Array.from({ length: 30 }, (_, i) => i);

const science = (set: string) => (i: number) => ({
  question: `What ${set} follows ${i}?`,
  choices: [`the ${i + 1}`, `the ${i - 1}`, "none", "all"],
  label: i % 4,
});
const boolq = (split: string) => (i: number) => ({
  question: `is ${i} odd`,
  passage: `${i} is of ${split}.`,
  answer: i % 2 === 1,
});
const travel = ["translate", "flight_status", "lost_luggage", "exchange_rate", "book_hotel", "car_rental"];
const clinc = (split: string) => (i: number) => ({
  text: `${split} ${i} of ${travel[i % 6]}`,
  intent: travel[i % 6]!,
  domain: "travel",
});
const voice = ["BookRestaurant", "GetWeather", "PlayMusic", "RateBook", "AddToPlaylist"];
const snips = (split: string) => (i: number) => ({ text: `${split} says ${i}`, intent: voice[i % 5]!, slots: [] });

const files: Readonly<Record<string, (i: number) => object>> = {
  "arc_easy/train": science("easy"),
  "arc_easy/test": science("easier"),
  "arc_challenge/train": science("hard"),
  "arc_challenge/test": science("harder"),
  "openbookqa/train": science("open"),
  "openbookqa/test": science("opener"),
  "boolq/train": boolq("train"),
  "boolq/test": boolq("test"),
  "clinc150/train": clinc("train"),
  "clinc150/validation": clinc("validation"),
  "clinc150/test": clinc("test"),
  "snips/train": snips("train"),
  "snips/test": snips("test"),
};

/** 30 rows a file, packed as the data sets are. */
export function writeSkillData(folder: string): void {
  for (const [path, rowOf] of Object.entries(files)) {
    const file = join(folder, `${path}.jsonl.gz`);
    mkdirSync(join(file, ".."), { recursive: true });
    writeFileSync(file, gzipSync(many.map((i) => JSON.stringify(rowOf(i))).join("\n")));
  }
}

/** Questions with long answers, beside them. */
export function writeGsm8k(folder: string): void {
  for (const split of ["train", "test"]) {
    const file = join(folder, `gsm8k/${split}.jsonl`);
    mkdirSync(join(file, ".."), { recursive: true });
    writeFileSync(
      file,
      many.map((i) => JSON.stringify({ question: `${i} plus 1?`, answer: `#### ${i + 1}` })).join("\n"),
    );
  }
}
