/** @file The system prompt of the `edge` and `specialize` benchmarks: a bank's router, with five examples, and queries to it. */
import type { Example } from "../../src/text/prompt.ts";

export const description = `You route the messages of a bank's customers. Read the message and answer with exactly one label and nothing else.
Labels: balance, transfer, card_lost, card_blocked, exchange_rate, interest_rate, pin_change, new_account, loan, complaint.`;

export const examples: readonly Example[] = [
  { input: "how much money do i have in my savings account", target: "balance" },
  { input: "please send fifty pounds to my sister", target: "transfer" },
  { input: "i left my card in a taxi last night", target: "card_lost" },
  { input: "what do i get for a hundred dollars in euros today", target: "exchange_rate" },
  { input: "i would like to talk about a mortgage for a small flat", target: "loan" },
];

export const queries: readonly string[] = [
  "my card does not work at any shop since this morning",
  "can i change the four digits i type at the machine",
  "what interest do you pay on a savings account",
  "move two hundred from checking to savings",
  "nobody has answered my letter for three weeks",
  "i want to open an account for my daughter",
];
