/** @file The inputs of a certificate as they are typed or pasted: lines of text, or JSON lines as `loragen certify` reads them. */

export type Given =
  | { readonly examples: readonly { readonly input: string; readonly output: string }[] }
  | { readonly inputs: readonly string[] };
type Line = { readonly input: string; readonly output: string | undefined };

/** Throws, naming the line, where one is not like the others. */
export function readGiven(text: string): Given {
  const lines = text
    .split("\n")
    .map((line, i) => ({ line: line.trim(), at: i + 1 }))
    .filter(({ line }) => line !== "");
  const isJson = lines[0] !== undefined && objectOf(lines[0].line) !== undefined;
  const read = lines.map(({ line, at }) => ({ at, ...(isJson ? fromJson(line, at) : fromText(line, at)) }));
  const isLabelled = read[0]?.output !== undefined;
  const other = read.find(({ output }) => (output !== undefined) !== isLabelled);
  if (other !== undefined)
    throw new Error(`Line ${other.at}: expected an answer in every line or in none; found both kinds of lines.`);
  return isLabelled
    ? { examples: read.map(({ input, output }) => ({ input, output: output! })) }
    : { inputs: read.map(({ input }) => input) };
}

function fromText(line: string, at: number): Line {
  const arrow = line.lastIndexOf("=>");
  if (arrow < 0) return { input: line, output: undefined };
  const [input, output] = [line.slice(0, arrow).trim(), line.slice(arrow + 2).trim()];
  if (input === "" || output === "") throw new Error(`Line ${at}: expected input => answer.`);
  return { input, output };
}

function fromJson(line: string, at: number): Line {
  const found = objectOf(line);
  const output = found?.target ?? found?.output ?? undefined;
  if (found === undefined || (output !== undefined && typeof output !== "string"))
    throw new Error(`Line ${at}: expected {"input": "…"}, or {"input": "…", "target": "…"}, as the first line has it.`);
  return { input: found.input, output };
}

/** A line of JSON with an input; undefined for any other text. */
function objectOf(
  line: string,
): { readonly input: string; readonly target?: unknown; readonly output?: unknown } | undefined {
  if (!line.startsWith("{")) return undefined;
  try {
    const value = JSON.parse(line) as { readonly input?: unknown };
    return typeof value.input === "string" ? { ...value, input: value.input } : undefined;
  } catch {
    return undefined;
  }
}
