import { describe, expect, test } from "vitest";
import { AppError } from "../../base/errors.ts";
import { createRng } from "../../base/rng.ts";
import { labelsSpec, schemaSpec } from "../../constraint/spec.ts";
import type { Told } from "./asking.ts";
import { type Certificate, lowestRung, type Party, type Rung, shownCertificate } from "./certificate.ts";
import { certify, certifyLimits, klOf } from "./certify.ts";
import { asAnswer } from "./measure.ts";

/** Parties that answer "right" to inputs whose number is below their bound. */
const answersBelow = (bounds: Readonly<Partial<Record<Party, number>>>) => {
  const asked: string[] = [];
  const ask = async (party: Party, input: string): Promise<Told> => {
    asked.push(party);
    const isRight = Number(input) < (bounds[party] ?? 0);
    const inputTokens = party === "prompted" ? 100 : 10;
    const first = Float32Array.of(party === "prompted" ? 1 : 0, 0);
    return { text: isRight ? "right" : "wrong", finish: "stop", inputTokens, ms: inputTokens / 10, first };
  };
  return { ask, asked };
};
const inputs = Array.from({ length: 40 }, (_, i) => ({ input: String(i), target: "right" }));
const options = { isPrompted: true, scorer: "exact", rng: createRng("certify") } as const;

test("scores every party on the same inputs, with intervals, and holds the specialisation against the others", async () => {
  const { ask } = answersBelow({ specialized: 30, prompted: 20, base: 4, control: 6 });
  const found = await certify(inputs, { ...options, ask, threshold: 0.7 });
  const { specialized, prompted, base, control } = found.parties;
  expect([specialized, prompted!, base, control].map(({ score }) => score.mean)).toEqual([0.75, 0.5, 0.1, 0.15]);
  // Of 40 inputs at 0.75 the standard error is 0.068.
  expect(specialized.score.low).toBeGreaterThan(0.75 - 0.18);
  expect(specialized.score.low).toBeLessThan(0.75 - 0.09);
  expect(specialized.score.high).toBeGreaterThan(0.75 + 0.08);
  expect(found.ahead.base.mean).toBeCloseTo(0.65, 9);
  expect(found.ahead.prompted!.mean).toBeCloseTo(0.25, 9);
  expect([specialized.inputTokens, prompted!.inputTokens, specialized.ms, prompted!.ms]).toEqual([10, 100, 1, 10]);
  expect(found.rung).toBe("specialized");
});

test("what is saved beside the prompted model is paired by input, of those that fit both", async () => {
  const { ask } = answersBelow({ specialized: 30, prompted: 20 });
  const found = await certify(inputs, {
    ...options,
    ask: async (party, input) => {
      if (party === "prompted" && Number(input) < 10) throw new AppError("E_LIMIT", "too long");
      const told = await ask(party, input);
      // Long inputs take longer of both, so that only pairs tell what is saved.
      return { ...told, inputTokens: told.inputTokens + 100 * Number(input), ms: told.ms + 100 * Number(input) };
    },
  });
  const { specialized } = found.saved!;
  expect(specialized!.inputTokens).toEqual({ mean: 90, low: 90, high: 90 });
  for (const value of Object.values(specialized!.ms!)) expect(value).toBeCloseTo(9, 9);
  expect([found.timedInputs, found.failed]).toEqual([certifyLimits.timed, 10]);
  const alone = await certify(inputs, { ...options, ask, isPrompted: false });
  expect(alone.saved).toBeUndefined();
});

test("inputs are timed in turn, each party once an input", async () => {
  const order: string[] = [];
  const ask = async (party: Party, input: string): Promise<Told> => {
    order.push(`${party} ${input}`);
    return { text: "right", finish: "stop", inputTokens: 1, ms: 1 };
  };
  await certify(inputs, { ...options, ask });
  const timed = order.slice(4 * inputs.length);
  expect(timed).toHaveLength(4 * certifyLimits.timed);
  // Of 40 inputs every second one: a file may be sorted.
  expect(timed.slice(0, 8).map((each) => each.split(" ")[1])).toEqual([..."00002222"]);
  expect(timed.slice(0, 8).map((each) => each.split(" ")[0]!.slice(0, 4))).toEqual(
    "spec prom base cont prom base cont spec".split(" "),
  );
});

test("rules kept: answers that ended by themselves, and those that have the form without the constraint", async () => {
  const { ask } = answersBelow({ specialized: 30 });
  const found = await certify(inputs, {
    ...options,
    ask: async (party, input) => ({
      ...(await ask(party, input)),
      finish: party === "base" && Number(input) < 10 ? "length" : "stop",
    }),
    free: {
      ask: async (party, input) => ({ ...(await ask(party, input)), finish: input === "0" ? "length" : "stop" }),
      keeps: (text) => text === "right",
    },
  });
  const { specialized, base } = found.parties;
  expect([specialized.kept!.ended.mean, base.kept!.ended.mean]).toEqual([1, 0.75]);
  expect([specialized.kept!.free!.mean, base.kept!.free!.mean]).toEqual([29 / 40, 0]); // one was cut off
  expect(specialized.kept!.free!.low).toBeGreaterThan(0.5);
  expect(found.freeInputs).toBe(40);
  const unheld = await certify(inputs, { ...options, ask });
  expect([unheld.parties.base.kept!.free, unheld.freeInputs]).toEqual([undefined, undefined]);
});

test("where an answer has to end, the right beginning of one that did not is wrong, whatever the scorer ignores", async () => {
  const { ask } = answersBelow({ specialized: 40 });
  const cutOff = async (party: Party, input: string): Promise<Told> => ({
    ...(await ask(party, input)),
    text: "Right!",
    finish: "length",
  });
  const shareOf = async (mustEnd: boolean) => {
    const found = await certify(inputs, { ...options, scorer: "normalized", ask: cutOff, mustEnd });
    return found.parties.specialized.score.mean;
  };
  expect([await shareOf(false), await shareOf(true)]).toEqual([1, 0]);
});

test("a rung is sure where the lower end of its interval reaches the threshold too; its mean decides", async () => {
  const { ask } = answersBelow({ specialized: 40, prompted: 30 });
  const at = (threshold: number) => certify(inputs, { ...options, ask, threshold });
  expect(await at(0.9)).toMatchObject({ rung: "specialized", sure: { specialized: true, prompted: false } });
  expect(await at(0.99)).toMatchObject({ rung: "specialized", sure: { specialized: false, prompted: false } });
  expect((await certify(inputs, { ...options, ask })).sure).toBeUndefined();
});

test("without labels a reference says what is right; without one the prompted model does", async () => {
  const { ask } = answersBelow({ specialized: 30, prompted: 20, base: 4, control: 6 });
  const alone = inputs.map(({ input }) => ({ input }));
  const referred = await certify(alone, { ...options, ask, refer: async () => "wrong" });
  expect(referred.parties.specialized.score.mean).toBe(0.25);
  const own = await certify(alone, { ...options, ask });
  expect(own.parties.prompted!.score.mean).toBe(1);
  expect(own.parties.specialized.score.mean).toBe(0.75); // 10 of 40 are answered otherwise than by the prompted model
  await expect(certify(alone, { ...options, ask, isPrompted: false })).rejects.toMatchObject({ code: "E_USAGE" });
});

test("without the prompt the prompted model is not asked, and code is never run", async () => {
  const { ask, asked } = answersBelow({ specialized: 1, prompted: 1, base: 1, control: 1 });
  const found = await certify(inputs, { ...options, ask, isPrompted: false });
  expect([found.parties.prompted, found.ahead.prompted, found.firstTokenKl]).toEqual([undefined, undefined, undefined]);
  expect(asked).not.toContain("prompted");
  await expect(certify(inputs, { ...options, ask, scorer: "code-run" })).rejects.toMatchObject({ code: "E_USAGE" });
});

test("the KL of first tokens is that of the two distributions", async () => {
  const [p, q] = [Float32Array.of(1, 0), Float32Array.of(0, 0)];
  const share = Math.E / (1 + Math.E);
  const wanted = share * Math.log(share / 0.5) + (1 - share) * Math.log((1 - share) / 0.5);
  expect(klOf(p, q)).toBeCloseTo(wanted, 12);
  expect(klOf(p, p)).toBe(0);
  const { ask } = answersBelow({ specialized: 1, prompted: 1, base: 1, control: 1 });
  expect((await certify(inputs, { ...options, ask })).firstTokenKl!.mean).toBeCloseTo(wanted, 9);
});

test("the ladder takes the cheapest rung that scores the threshold", () => {
  const scored = (mean: number) => ({ score: { mean, low: mean, high: mean }, inputTokens: 1, ms: null });
  const parties = { specialized: scored(0.8), prompted: scored(0.9), base: scored(1), control: scored(1) };
  expect([0.8, 0.85, 0.95].map((threshold) => lowestRung(parties, threshold))).toEqual([
    "specialized",
    "prompted",
    null,
  ]);
});

test.each([
  [{}, "specialized"],
  [{ prompt: "Be brief." }, "prompted"], // as it was written before there were other rungs
  [{ answers: "cloud", prompt: "Be brief." }, "cloud"],
] as const)("readers of a certificate with %j are told who answers, and no prompt", (kept, answers) => {
  const shown = shownCertificate({ rung: "prompted", ...kept } as Certificate);
  expect(shown).toEqual({ rung: "prompted", answers, keepsPrompt: "prompt" in kept, isRefined: false });
});

test("the ladder is climbed from the cheapest rung on, no further than the first that scores the threshold", async () => {
  const { ask, asked } = answersBelow({ specialized: 10, refined: 20, residual: 34, prompted: 38, cloud: 40 });
  const climbed: string[] = [];
  const climb = async (rung: Rung) => void climbed.push(rung);
  const found = await certify(inputs, { ...options, ask, climb, threshold: 0.8 });
  expect([found.rung, climbed]).toEqual(["residual", ["refined", "residual"]]);
  expect([found.parties.refined?.score.mean, found.parties.residual?.score.mean]).toEqual([0.5, 0.85]);
  expect(asked).not.toContain("cloud");
  expect(found.parties.residual?.ms).toBe(1);
  const higher = await certify(inputs, {
    ...options,
    ask,
    climb: async (rung) => (rung === "refined" ? "no gates" : undefined),
    threshold: 0.99,
  });
  expect(higher).toMatchObject({ rung: "cloud", notTried: { refined: "no gates" } });
  expect(higher.parties.refined).toBeUndefined();
  const none = await certify(inputs, { ...options, ask, climb: async () => "cannot", threshold: 0.99 });
  expect([none.rung, Object.keys(none.notTried!)]).toEqual([null, ["refined", "residual", "cloud"]]);
});

describe("of a cloud model that does not answer everything", () => {
  const { ask } = answersBelow({ specialized: 10, prompted: 10, base: 1, control: 1, cloud: 40 });
  const climb = async (rung: Rung) => (rung === "cloud" ? undefined : "cannot");
  const asking = (cloud: (input: string) => void) =>
    certify(inputs, {
      ...{ ...options, climb, threshold: 0.9, busyMs: [0, 0] },
      ask: async (party, input) => {
        if (party === "cloud") cloud(input);
        return ask(party, input);
      },
    });

  test.each(["E_IO", "E_USAGE"] as const)("%s halfway leaves nothing of it in the certificate", async (code) => {
    const found = await asking((input) => {
      if (input === "0") throw new AppError("E_LIMIT", "too long");
      if (input === "30") throw new AppError(code, "cloud: no");
    });
    expect(found).toMatchObject({ rung: null, failed: 0, notTried: { cloud: "cloud: no" } });
    expect(found.parties.cloud).toBeUndefined();
  });

  test("a question is asked again while there is too much to do, and given up in the end", async () => {
    let refused = 0;
    const busy = (most: number) => (input: string) => {
      if (input === "7" && refused++ < most) throw new AppError("E_BUSY", "ask again");
    };
    expect(await asking(busy(2))).toMatchObject({ rung: "cloud", failed: 0 });
    refused = 0;
    expect(await asking(busy(3))).toMatchObject({ rung: null, notTried: { cloud: "ask again" } });
  });

  test("one that fails when it is timed has its score and no time", async () => {
    let asked = 0;
    const found = await asking(() => {
      if (++asked > inputs.length) throw new AppError("E_IO", "gone");
    });
    expect([found.rung, found.parties.cloud?.score.mean, found.parties.cloud?.ms]).toEqual(["cloud", 1, null]);
  });
});

test("an edge model whose queue is full for a moment is asked again, and given up in the end", async () => {
  const { ask } = answersBelow({ specialized: 40 });
  const busy = (most: number, party: Party) => {
    let refused = 0;
    return certify(inputs, {
      ...{ ...options, busyMs: [0, 0] },
      ask: async (asked, input) => {
        if (asked === party && input === "7" && refused++ < most) throw new AppError("E_BUSY", "ask again");
        return ask(asked, input);
      },
    });
  };
  for (const party of ["specialized", "control"] as const) {
    expect(await busy(2, party)).toMatchObject({ failed: 0, parties: { specialized: { score: { mean: 1 } } } });
    await expect(busy(3, party)).rejects.toMatchObject({ code: "E_BUSY" });
  }
});

test.each([0, certifyLimits.inputs + 1])("%d inputs are refused", async (count) => {
  const { ask } = answersBelow({ specialized: 1, prompted: 1, base: 1, control: 1 });
  const many = Array.from({ length: count }, () => inputs[0]!);
  await expect(certify(many, { ...options, ask })).rejects.toMatchObject({ code: "E_LIMIT" });
});

test("an input that is too long for a party scores 0 there; one that the reference says nothing of is left out", async () => {
  const { ask } = answersBelow({ specialized: 40, prompted: 40, base: 40, control: 40 });
  const found = await certify(
    inputs.map(({ input }) => ({ input })),
    {
      ...options,
      ask: async (party, input) => {
        if (party === "prompted" && Number(input) < 10) throw new AppError("E_LIMIT", "too long");
        return ask(party, input);
      },
      refer: async (input) => (Number(input) < 20 ? "right" : undefined),
    },
  );
  expect([found.inputs, found.leftOut, found.failed]).toEqual([20, 20, 10]);
  expect([found.parties.specialized.score.mean, found.parties.prompted!.score.mean]).toEqual([1, 0.5]);
  const none = certify(
    inputs.map(({ input }) => ({ input })),
    { ...options, ask, refer: async () => undefined },
  );
  await expect(none).rejects.toMatchObject({ code: "E_DATA" });
});

test("a verdict needs inputs enough", async () => {
  const { ask } = answersBelow({ specialized: 1, prompted: 1, base: 1, control: 1 });
  const few = certify(inputs.slice(0, certifyLimits.leastForThreshold - 1), { ...options, ask, threshold: 0.9 });
  await expect(few).rejects.toMatchObject({ code: "E_USAGE" });
});

test.each([
  ["Billing.", "billing"],
  ["The label is: billing question", "billing question"],
  ["**delivery**", "delivery"],
  ["billing or delivery", undefined],
  ["none of them", undefined],
])("of labels a reference that says %j means %j", (text, label) => {
  expect(asAnswer(text, labelsSpec(["billing", "billing question", "delivery"]))).toBe(label);
});

test.each([
  ['```json\n{"a": 1}\n```', '{"a":1}'],
  ['{"a": 1}', '{"a":1}'],
  ["I cannot", undefined],
])("of JSON a reference that says %j means %j", (text, json) => {
  expect(asAnswer(text, schemaSpec({ type: "object" }))).toBe(json);
});

test("the first failure ends the work", async () => {
  let asked = 0;
  const ask = async (): Promise<Told> => {
    asked++;
    throw new Error("no model");
  };
  await expect(certify(inputs, { ...options, ask })).rejects.toThrow("no model");
  expect(asked).toBeLessThanOrEqual(4 * certifyLimits.atOnce);
  let ended = 0;
  const slow = certify(inputs, {
    ...options,
    ask: async (_, input) => {
      if (input === "0") throw new Error("no model");
      for (let i = 0; i < 20; i++) await undefined;
      ended++;
      return { text: "", finish: "stop", inputTokens: 1, ms: 1 };
    },
    onProgress: () => undefined,
  });
  await expect(slow).rejects.toThrow("no model");
  const before = ended;
  for (let i = 0; i < 5; i++) await new Promise((done) => setImmediate(done));
  expect(ended).toBe(before); // nothing goes on behind the failure
});
