/** @file Many queries in one row: the beginning they share once, then each query, then a tree of its answers. */

export type ForcedQuery = {
  /** At least one token. */
  readonly prompt: readonly number[];
  /** Answers that may follow the prompt, at least one token each. */
  readonly answers: readonly (readonly number[])[];
  /** Of each answer: how many of its first tokens are given and do not count. None where it is absent. */
  readonly given?: readonly number[];
};

/** One row of t tokens, the u of them behind which a token is asked for, and the e tokens that are asked for there. */
export type PackedRow = {
  /** How many first tokens belong to all queries. */
  readonly shared: number;
  readonly tokens: readonly number[];
  /** Where each token stands in its own sequence. */
  readonly positions: readonly number[];
  /** Token j is seen by itself and the tokens behind it up to `until[j]`, exclusive: those that continue it. */
  readonly until: readonly number[];
  /** (u) Indices of tokens whose next token is asked for. */
  readonly askedAt: readonly number[];
  /** (e) Given next tokens, and behind which of the u they stand. */
  readonly edges: readonly Edge[];
  readonly members: readonly PackedQuery[];
};

export type Edge = { readonly asked: number; readonly token: number };

export type PackedQuery = {
  /** Which query it is. */
  readonly index: number;
  /** Each answer as indices into `edges`. */
  readonly answers: readonly (readonly number[])[];
};

/** A row grows to this many tokens beside two times the shared beginning: long rows cost attention, short ones repeat the beginning. */
const rowTokens = 256;

/** Packs queries in their order. Every row begins with what all prompts have in common; answers share their beginnings too. */
export function packQueries(queries: readonly ForcedQuery[]): PackedRow[] {
  const shared = commonLength(queries.map(({ prompt }) => prompt));
  const budget = rowTokens + 2 * shared;
  const rows: PackedRow[] = [];
  let row: ReturnType<typeof openRow> | undefined;
  queries.forEach(({ prompt, answers }, index) => {
    const tree = growTree(answers);
    if (row !== undefined && row.length() + prompt.length - shared + tree.size > budget) {
      rows.push(row.close());
      row = undefined;
    }
    row ??= openRow(prompt.slice(0, shared));
    row.add(prompt, tree, index);
  });
  if (row !== undefined) rows.push(row.close());
  return rows;
}

/** How many first tokens all sequences share, leaving each at least one of its own. */
export function commonLength(sequences: readonly (readonly number[])[]): number {
  const [first = [], ...rest] = sequences;
  let length = Math.min(...sequences.map((ids) => ids.length - 1));
  for (const ids of rest) {
    let same = 0;
    while (same < length && ids[same] === first[same]) same++;
    length = same;
  }
  return length;
}

/** What may follow a token. Nodes without children are asked for, but never read. */
type Branch = { readonly children: Map<number, Branch>; edge: number };

type Tree = {
  readonly root: Branch;
  /** Nodes that are read. */
  readonly size: number;
  /** The nodes along each answer. */
  readonly paths: readonly (readonly Branch[])[];
};

function growTree(answers: readonly (readonly number[])[]): Tree {
  const root: Branch = { children: new Map(), edge: -1 };
  let size = 0;
  const paths = answers.map((answer) => {
    let at = root;
    return answer.map((id) => {
      const found = at.children.get(id);
      if (found === undefined && at !== root && at.children.size === 0) size++;
      const next = found ?? { children: new Map(), edge: -1 };
      at.children.set(id, next);
      at = next;
      return next;
    });
  });
  return { root, size, paths };
}

function openRow(shared: readonly number[]) {
  const tokens = [...shared];
  const positions = [...shared.keys()];
  const until: number[] = [];
  const askedAt: number[] = [];
  const edges: Edge[] = [];
  const members: PackedQuery[] = [];
  const push = (id: number, position: number): number => {
    positions.push(position);
    return tokens.push(id) - 1;
  };
  /** Asks for what may follow the token at `at`, and reads what is followed in turn. */
  function place({ children }: Branch, at: number): void {
    const asked = askedAt.push(at) - 1;
    for (const [token, child] of children) {
      child.edge = edges.push({ asked, token }) - 1;
      if (child.children.size === 0) continue;
      const index = push(token, positions[at]! + 1);
      place(child, index);
      until[index] = tokens.length;
    }
  }
  return {
    length: () => tokens.length,
    add(prompt: readonly number[], { root, paths }: Tree, index: number): void {
      const from = tokens.length;
      for (let at = shared.length; at < prompt.length; at++) push(prompt[at]!, at);
      const to = tokens.length;
      place(root, to - 1);
      until.length = tokens.length;
      until.fill(tokens.length, from, to);
      members.push({ index, answers: paths.map((path) => path.map(({ edge }) => edge)) });
    },
    close(): PackedRow {
      until.fill(tokens.length, 0, shared.length);
      return { shared: shared.length, tokens, positions, until, askedAt, edges, members };
    },
  };
}

/**
 * Where a row has the tokens of a query's prompt, and behind it the first ones of an answer, one less than it has at most.
 * @param answer as indices into `edges`
 */
export function placesOf(
  { shared, askedAt, edges }: PackedRow,
  promptLength: number,
  answer: readonly number[],
  count: number,
): number[] {
  const own = promptLength - shared;
  const [last, ...behind] = answer.slice(0, count + 1).map((edge) => askedAt[edges[edge]!.asked]!) as [number];
  return [...Array(shared).keys(), ...Array.from({ length: own }, (_, i) => last - own + 1 + i), ...behind];
}
