/** @file An item of the manifest: a page that is made, tests that are run, what trains first, what is out, or another name. */
import { AppError } from "../../src/base/errors.ts";
import type { RunCode } from "../../src/eval/run-code.ts";

/** How much is trained and asked: a first look, the manifest's protocol on two cores, everything. */
export const BUDGETS = ["minutes", "hours", "full"] as const;
export type Budget = (typeof BUDGETS)[number];

/** Throws E_USAGE for what is none. */
export function parseBudget(text: string): Budget {
  const found = BUDGETS.find((one) => one === text);
  if (found === undefined)
    throw new AppError("E_USAGE", `--budget: expected one of ${BUDGETS.join(", ")}, found ${JSON.stringify(text)}`);
  return found;
}

export type Context = {
  readonly budget: Budget;
  /** Folder of data sets. */
  readonly data: string;
  /** The edge model alone. */
  readonly model: string;
  /** Cloud, edge and generator: what LoRA-Gen's rows need. */
  readonly pair?: string | undefined;
  /**
   * A generator's run, as JSON, of which ablations train their own: each with other keys, all with equal steps. Without one it is that of
   * `runs/reasoning`, over the paper's seen tasks.
   */
  readonly train?: string | undefined;
  /** Trains nothing: what is not trained yet is left out of a page, or refused where it is all of it. */
  readonly noTraining?: boolean | undefined;
  /** Names of methods that are asked beside a page's own, such as `loramoe:FILE` once it is trained. */
  readonly methods: readonly string[];
  /** Folder of logs: a page that was stopped goes on from them. They hold rows of the data, and are never committed. */
  readonly work: string;
  readonly signal?: AbortSignal | undefined;
  /** Runs programs that a model wrote, where the user allows it. */
  readonly runCode?: RunCode | undefined;
  /** How far it is. */
  readonly tell: (text: string) => void;
};

export type Page = {
  /** What stands below the title. */
  readonly text: string;
  /** SVG by file name, beside the page. */
  readonly pictures?: Readonly<Record<string, string>>;
};

type Common = {
  /** What it shows. */
  readonly shows: string;
  /** Where the documents say it: S0 reviews, S1 reproducibility sheet, S2 paper, S3 reviews of Transformer², S4 summary, spec. */
  readonly source: string;
};

export type Row =
  | (Common & {
      readonly kind: "page";
      /** How long, and on what. */
      readonly takes: string;
      /** What it shows and nobody has run yet: the page is there in part. */
      readonly lacks?: string;
      readonly make: (context: Context) => Promise<Page>;
    })
  | (Common & {
      readonly kind: "test";
      readonly files: readonly string[];
      /** Only tests with this in their titles. */
      readonly titled?: string;
    })
  | (Common & {
      readonly kind: "trains";
      /** What is trained first, where it is not there yet. */
      readonly needs: string;
      readonly takes: string;
      readonly make: (context: Context) => Promise<Page>;
    })
  | (Common & { readonly kind: "out"; readonly because: string })
  | (Common & { readonly kind: "alias"; readonly of: string });
