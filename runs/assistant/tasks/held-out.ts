/** @file Whole parts of the data that the toy pair never trains on. */

/** CLINC150 domains whose rows are used in unseen tasks only. */
export const UNSEEN_CLINC_DOMAINS: readonly string[] = ["travel", "work"];

/** Services of SGD that are used in unseen tasks only. */
export const UNSEEN_SGD_SERVICES: readonly string[] = ["Movies_2", "Media_2"];

/** Super-NI tasks (of its official test split) that are unseen tasks. */
export const UNSEEN_NI_TASKS: readonly string[] = [
  "task1155_bard_analogical_reasoning_trash_or_treasure",
  "task391_causal_relationship",
  "task828_copa_commonsense_cause_effect",
  "task970_sherliic_causal_relationship",
];
