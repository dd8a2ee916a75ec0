/** @file Jinja templates from untrusted files: bounded in length, work, depth and the size of what they make. No clock is read. */
import { Environment, Interpreter, parse, tokenize } from "@huggingface/jinja";
import { AppError } from "../base/errors.ts";

/** Bounds for untrusted templates: far above what published ones need. */
export const templateLimits = {
  /** Characters of a template; published ones have up to about 25,000. */
  length: 2 ** 16,
  /** White space in a row: the parser's patterns take quadratic time in it. */
  space: 2 ** 10,
  /** Expressions inside expressions, macros that call macros. */
  depth: 200,
  /** Characters and values of anything made on the way. */
  size: 2 ** 23,
  /** Evaluated expressions, long values counting as more. */
  work: 2 ** 18,
} as const;

type Values = Readonly<Record<string, unknown>>;

/** The package's own declarations cannot be resolved from ES modules; this is the part of them that is used. */
type Node = { readonly type: string; readonly [key: string]: unknown };
type Value = { readonly type: string; readonly value: unknown };
type Scope = { set(name: string, value: unknown): unknown };
type Evaluator = {
  run(program: Node): Value;
  evaluate(node: Node | undefined, scope: Scope): Value;
};
const BaseInterpreter = Interpreter as unknown as new (scope: Scope) => Evaluator;

export type Template = {
  /**
   * Renders with these variables. Functions may be among them. Throws E_LIMIT beyond a bound, E_CONFIG with the
   * template's own words where it refuses the values, E_FORMAT for any other error in it.
   */
  render(values: Values): string;
};

/** Parses a template. Throws E_LIMIT for one beyond the bounds, E_FORMAT for one that is malformed. */
export function parseTemplate(source: string, what: string): Template {
  const { length, space } = templateLimits;
  if (source.length > length)
    throw new AppError("E_LIMIT", `${what}: ${source.length} characters, the limit is ${length}`);
  if (new RegExp(`\\s{${space}}`).test(source))
    throw new AppError("E_LIMIT", `${what}: white space in a row, the limit is ${space}`);
  const program = guarded(what, () => parse(tokenize(source, { lstrip_blocks: true, trim_blocks: true })) as Node);
  return {
    render: (values) =>
      guarded(what, () => {
        const environment = new Environment() as Scope;
        for (const [name, value] of Object.entries({ ...globals, ...values })) environment.set(name, value);
        return String(new BoundedInterpreter(environment, source.length).run(program).value);
      }),
  };
}

/** What the template says with `raise_exception`. */
class Refusal extends Error {}
class LimitReached extends Error {}

const globals: Values = {
  true: true,
  True: true,
  false: false,
  False: false,
  none: null,
  None: null,
  raise_exception(message: unknown) {
    throw new Refusal(String(message));
  },
  /** Python's range. */
  range(...args: number[]) {
    const [start, stop, step] = args.length === 1 ? [0, args[0]!, 1] : [args[0]!, args[1]!, args[2] ?? 1];
    const count = Math.max(0, Math.ceil((stop - start) / step));
    if (Number.isNaN(count)) throw new Error("range() expects whole numbers");
    if (count > templateLimits.work) throw new LimitReached(`a range of ${count} numbers`);
    return Array.from({ length: count }, (_, i) => start + i * step);
  },
};

function guarded<T>(what: string, run: () => T): T {
  try {
    return run();
  } catch (cause) {
    const found = cause instanceof Error ? cause.message : String(cause);
    const text = found.length > 300 ? `${found.slice(0, 300)}…` : found;
    if (cause instanceof LimitReached) throw new AppError("E_LIMIT", `${what}: ${text}`);
    if (cause instanceof Refusal) throw new AppError("E_CONFIG", `${what}: refuses the messages: ${text}`);
    if (cause instanceof RangeError) throw new AppError("E_LIMIT", `${what}: nested too deeply or too long`, { cause });
    throw new AppError("E_FORMAT", `${what}: ${text}`, { cause });
  }
}

type Frame = {
  /** Product of the sizes that an operation combines, where its result or its time may grow with it. */
  readonly isProduct: boolean;
  /** Each pass of a loop takes time, also where its body is empty. */
  readonly isLoop: boolean;
  product: number;
  /** Of the value whose attribute is taken. */
  objectSize: number;
};

/** Counts work before it is done, and measures every value that comes out. */
class BoundedInterpreter extends BaseInterpreter {
  readonly #macroWork: number;
  readonly #frames: Frame[] = [];
  #work = 0;

  constructor(environment: Scope, sourceLength: number) {
    super(environment);
    this.#macroWork = Math.ceil(sourceLength / 16);
  }

  override evaluate(node: Node | undefined, scope: Scope): Value {
    if (node === undefined) return super.evaluate(node, scope);
    const depth = this.#frames.length;
    if (depth >= templateLimits.depth) throw new LimitReached(`nested deeper than ${templateLimits.depth} levels`);
    const { type } = node;
    if (type === "FilterStatement") throw new Error("filter blocks are not supported");
    this.#charge(1 + depth / 16 + (type === "Macro" || type === "CallStatement" ? this.#macroWork : 0));
    const frame: Frame = { isProduct: multiplies(node), isLoop: type === "For", product: 1, objectSize: 0 };
    this.#frames.push(frame);
    let value: Value;
    try {
      value = super.evaluate(node, scope);
    } finally {
      this.#frames.length = depth; // a loop catches what `break` and `continue` throw
    }
    const size = value.type === "FunctionValue" ? frame.objectSize : this.#measure(value);
    const parent = this.#frames.at(-1);
    if (parent !== undefined) this.#combine(parent, size);
    if (parent?.isLoop) this.#charge(2 * elements(value));
    return value;
  }

  #combine(parent: Frame, size: number): void {
    parent.objectSize ||= size;
    if (!parent.isProduct) return;
    parent.product *= Math.max(1, size);
    if (parent.product > 8 * templateLimits.size) throw new LimitReached("an operation whose result would be too long");
  }

  #charge(work: number): void {
    this.#work += work;
    if (this.#work > templateLimits.work) throw new LimitReached(`more than ${templateLimits.work} steps`);
  }

  /** Characters, elements, or the number itself. */
  #measure(value: Value): number {
    if (typeof value.value === "string") {
      this.#charge(value.value.length / 64);
      return checkSize(value.value.length);
    }
    if (value.type === "UndefinedValue") this.#charge(7); // looked for in every scope
    if (typeof value.value === "number") return Math.abs(value.value) || 1;
    const size = weigh(value);
    this.#charge(size.values / 32);
    return size.values + size.characters;
  }
}

const productFilters: ReadonlySet<unknown> = new Set(["replace", "join", "indent", "tojson"]);

/** Whether a node combines its operands so that sizes multiply: methods, some filters, and the search for a text in a text. */
function multiplies(node: Node): boolean {
  const named = (inner: unknown) => (inner as { value?: unknown } | undefined)?.value;
  if (node.type === "FilterExpression") {
    const filter = node["filter"] as Node;
    return productFilters.has(named(filter.type === "CallExpression" ? filter["callee"] : filter));
  }
  if (node.type === "CallExpression") return (node["callee"] as Node).type === "MemberExpression";
  return node.type === "BinaryExpression" && ["in", "not in"].includes(String(named(node["operator"])));
}

/** Counts every path to every value: lists of lists of the same lists are as large as their text. */
function weigh(value: Value): { values: number; characters: number } {
  const size = { values: 0, characters: 0 };
  const open: unknown[] = [value];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { value: content } = next as { value: unknown };
    size.values++;
    if (typeof content === "string") size.characters += content.length;
    else if (Array.isArray(content)) open.push(...boundedList(content));
    else if (content instanceof Map) {
      for (const [key, inner] of content) {
        size.characters += String(key).length;
        open.push(inner);
      }
    }
    checkSize(size.values + size.characters + open.length);
  }
  return size;
}

const elements = ({ value }: Value): number =>
  Array.isArray(value) ? value.length : value instanceof Map ? value.size : 0;

/** Spreading a list takes stack. */
function boundedList(list: readonly unknown[]): readonly unknown[] {
  if (list.length > 2 ** 15) throw new LimitReached(`a list of ${list.length} values`);
  return list;
}

function checkSize(size: number): number {
  if (size > templateLimits.size) throw new LimitReached(`a value larger than ${templateLimits.size}`);
  return size;
}
