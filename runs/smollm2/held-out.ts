/** @file What no training prompt of this pair is made of. Tests of what is new use it. */

/** Data sets without a licence for training, or kept whole for tests. */
export const heldOutDataSets = ["social_iqa", "gpt4tools", "restaurant8k"] as const;

/** CLINC150 domains whose intents are new label sets. */
export const heldOutDomains: readonly string[] = ["travel", "work"];

/** Services of SGD, by the beginning of their names. */
export const heldOutServices: readonly string[] = ["Buses", "Events", "Homes", "RentalCars"];

export const isHeldOutService = (name: string): boolean =>
  heldOutServices.some((service) => name.startsWith(`${service}_`));

/** Super-NI train tasks kept as label sets never seen; its official test tasks are held out as a whole. */
export const heldOutTopicTasks: readonly string[] = [
  "task1434_head_qa_classification",
  "task375_classify_type_of_sentence_in_debate",
  "task632_dbpedia_14_classification",
  "task629_dbpedia_14_classification",
  "task633_dbpedia_14_answer_generation",
];
