/** @file Many queries in one row: the beginning they share once, then each query, then each of its answers beside the others. */

export type ForcedQuery = {
  /** At least one token. */
  readonly prompt: readonly number[];
  /** Answers that may follow the prompt, at least one token each. */
  readonly answers: readonly (readonly number[])[];
};

/** One row of t tokens and its n supervised positions. A token sees those before it that lie on its own branch. */
export type PackedRow = {
  readonly tokens: readonly number[];
  /** Where each token stands in its own sequence. */
  readonly positions: readonly number[];
  /** The query a token belongs to, from 1; 0 for what all share. */
  readonly queries: readonly number[];
  /** The answer it belongs to, from 1 and counted through the row; 0 for prompts. */
  readonly answers: readonly number[];
  /** Indices of tokens whose next token is asked for: answer after answer, in order. */
  readonly askedAt: readonly number[];
  /** The given next tokens. */
  readonly targets: readonly number[];
  /** Indices of the queries in this row. */
  readonly members: readonly number[];
};

/** A row grows to this many tokens beside two times the shared beginning: long rows cost attention, short ones repeat the beginning. */
const rowTokens = 256;

/** Packs queries in their order. Every row begins with what all prompts have in common. */
export function packQueries(queries: readonly ForcedQuery[]): PackedRow[] {
  const shared = commonLength(queries.map(({ prompt }) => prompt));
  const budget = rowTokens + 2 * shared;
  const rows: PackedRow[] = [];
  let row: ReturnType<typeof openRow> | undefined;
  queries.forEach((query, index) => {
    if (row !== undefined && row.length() + ownLength(query, shared) > budget) {
      rows.push(row.close());
      row = undefined;
    }
    row ??= openRow(query.prompt.slice(0, shared));
    row.add(query, index);
  });
  if (row !== undefined) rows.push(row.close());
  return rows;
}

/** Tokens that a query adds to a row. The last token of an answer is asked for, but never read. */
const ownLength = ({ prompt, answers }: ForcedQuery, shared: number): number =>
  answers.reduce((sum, answer) => sum + answer.length - 1, prompt.length - shared);

/** How many first tokens all sequences share, leaving each at least one of its own. */
function commonLength(sequences: readonly (readonly number[])[]): number {
  const [first = [], ...rest] = sequences;
  let length = Math.min(...sequences.map((ids) => ids.length - 1));
  for (const ids of rest) {
    let same = 0;
    while (same < length && ids[same] === first[same]) same++;
    length = same;
  }
  return length;
}

function openRow(shared: readonly number[]) {
  const tokens = [...shared];
  const positions = [...shared.keys()];
  const queries = shared.map(() => 0);
  const answersOf = shared.map(() => 0);
  const askedAt: number[] = [];
  const targets: number[] = [];
  const members: number[] = [];
  let answerCount = 0;
  const push = (id: number, position: number, answer: number): void => {
    tokens.push(id);
    positions.push(position);
    queries.push(members.length);
    answersOf.push(answer);
  };
  return {
    length: () => tokens.length,
    add({ prompt, answers }: ForcedQuery, index: number): void {
      members.push(index);
      for (let at = shared.length; at < prompt.length; at++) push(prompt[at]!, at, 0);
      const last = tokens.length - 1;
      for (const answer of answers) {
        answerCount++;
        answer.forEach((id, i) => {
          askedAt.push(i === 0 ? last : tokens.length - 1);
          targets.push(id);
          if (i + 1 < answer.length) push(id, prompt.length + i, answerCount);
        });
      }
    },
    close: (): PackedRow => ({ tokens, positions, queries, answers: answersOf, askedAt, targets, members }),
  };
}
