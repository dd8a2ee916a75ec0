/** @file 2,000 damaged GGUF files with a tokenizer of each kind: each is refused, or encodes and decodes without failing. */
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { damageFile, fuzz } from "../../test/support/fuzz.ts";
import { byteLevelFields, sentencePieceFields } from "../../test/support/gguf-metadata.ts";
import { mutateGguf } from "../../test/support/mutate-gguf.ts";
import { AppError } from "../base/errors.ts";
import { createRng, type Rng } from "../base/rng.ts";
import type { GgufField, GgufScalar } from "../files/gguf/read.ts";
import { writeGguf } from "../files/gguf/write.ts";
import { renderChat } from "./chat-template.ts";
import { tokenizerOfGguf } from "./gguf-tokenizer.ts";
import { createTokenizer } from "./tokenizer.ts";
import { loadTokenizer, type Tokenizer } from "./tokenizer-file.ts";

const kinds = { "byte-level": byteLevelFields, SentencePiece: sentencePieceFields };
const fieldsOf = (kind: keyof typeof kinds): Map<string, GgufField> =>
  kinds[kind]()
    .set("tokenizer.chat_template", {
      type: "string",
      value: "{{ bos_token }}{% for m in messages %}{{ m.content }}{% endfor %}",
    })
    .set("tokenizer.ggml.add_bos_token", { type: "bool", value: true });

function expectSound(tokenizer: Tokenizer): void {
  const { vocabSize } = tokenizer;
  for (const text of ["the hand", "<s>a[[user]]b</s>", "½ 日本語 😀\n\t", ""]) {
    for (const options of [{}, { addSpecial: true }, { parseSpecial: true }]) {
      const ids = tokenizer.encode(text, options);
      expect(ids.every((id) => Number.isInteger(id) && id >= 0 && id < vocabSize)).toBe(true);
      expect(typeof tokenizer.decode(ids, { skipSpecial: true })).toBe("string");
    }
  }
  try {
    renderChat(tokenizer, [{ role: "user", content: "hi" }]);
  } catch (error) {
    if (!(error instanceof AppError)) throw error; // a template that is broken is refused when it is used
  }
}

test.each(Object.keys(kinds) as (keyof typeof kinds)[])("2,000 files with a damaged %s tokenizer", async (kind) => {
  const path = join(mkdtempSync(join(tmpdir(), "fuzz-")), "model.gguf");
  await writeGguf(path, fieldsOf(kind), []);
  const original = new Uint8Array(readFileSync(path));
  const { outcomes, reasons } = await fuzz({
    seed: `gguf ${kind} tokenizer`,
    damage: damageFile(path, original, mutateGguf(original.length)),
    read: async () => expectSound(await loadTokenizer(path)),
  });
  expect(outcomes["read"]).toBeGreaterThan(100);
  expect(reasons).toBeGreaterThan(10);
});

const strange: readonly GgufScalar[] = [
  "",
  " ",
  "\u0000",
  "constructor",
  "__proto__",
  "a b",
  "▁",
  "<0x0A>",
  -1,
  2 ** 31,
  1e308,
  Number.NaN,
  2n ** 63n,
  true,
];

/** Changes whole fields: other values in their lists, other types, fields left out or doubled in length. */
function disturb(fields: Map<string, GgufField>, rng: Rng): Map<string, GgufField> {
  const copy = new Map(fields);
  for (let n = 0; n <= rng.int(3); n++) {
    const key = rng.pick([...fields.keys()]);
    const field = fields.get(key)!;
    const change = rng.int(4);
    if (change === 0) copy.delete(key);
    else if (field.type !== "array" || change === 1)
      copy.set(key, { type: "string", value: rng.pick(strange) as string });
    else {
      const values = [...field.value];
      for (let i = 0; i <= rng.int(4); i++)
        values[rng.int(values.length)] = rng.int(2) === 0 ? rng.pick(strange) : values[rng.int(values.length)]!;
      copy.set(key, { ...field, value: change === 2 ? values : values.slice(0, rng.int(values.length)) });
    }
  }
  return copy;
}

test("2,000 tokenizers whose metadata says strange things", () => {
  const rng = createRng("strange gguf tokenizers");
  const outcomes: Record<string, number> = {};
  for (let i = 0; i < 2000; i++) {
    const one = rng.split(`${i}`);
    const fields = disturb(fieldsOf(i % 2 === 0 ? "byte-level" : "SentencePiece"), one);
    let outcome = "read";
    try {
      const { json, config } = tokenizerOfGguf(fields, "model.gguf");
      expectSound(createTokenizer(json, config, { name: "model.gguf", configName: "model.gguf" }));
    } catch (error) {
      if (!(error instanceof AppError)) throw new Error(`case ${i}: ${error}`, { cause: error });
      outcome = error.code;
    }
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
  }
  expect(outcomes["read"]).toBeGreaterThan(200);
  expect(outcomes["E_FORMAT"]).toBeGreaterThan(200);
  expect(Object.keys(outcomes).every((code) => ["read", "E_FORMAT", "E_ARCHITECTURE", "E_LIMIT"].includes(code))).toBe(
    true,
  );
});
