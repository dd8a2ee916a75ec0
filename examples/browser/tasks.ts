/** @file What the page can be asked: system prompts that become specialisations, and inputs to try. */

export type BrowserTask = {
  /** Also the folder of its specialisation. */
  readonly name: string;
  readonly title: string;
  readonly prompt: string;
  readonly samples: readonly string[];
};

/** A task with what became of its prompt: one entry of the page's `tasks.json`. */
export type SpecializedTask = BrowserTask & { readonly promptTokens: number; readonly bytes: number };

export const tasks: readonly BrowserTask[] = [
  {
    name: "bikes",
    title: "A bike rental's support",
    prompt:
      "You sort the messages that reach the support team of Fernwood, a company that rents out electric bikes by the hour. Every message goes to one queue. The queues are: battery, brakes, payment, lost_bike, app_login, parking. Answer with the name of the queue alone.",
    samples: [
      "you charged my card twice for yesterday's ride",
      "it does not accept my password any more",
      "i locked it outside the library and now it is gone",
    ],
  },
  {
    name: "orders",
    title: "Flower orders, as JSON",
    prompt:
      'Customers write to a flower shop. Read from each message which flower they want and how many. Reply with JSON and nothing else, with the keys "flower" and "count", as in {"flower": "iris", "count": "3"}. Copy both from the message.',
    samples: ["please send 5 roses to my mother", "we need 40 lilies for the church", "do you still have 20 daisies?"],
  },
  {
    name: "greenhouse",
    title: "Greenhouse calls",
    prompt:
      'You control a greenhouse. Turn what the gardener says into a single function call. The functions are: open_window(side), water(bed, minutes), set_heating(degrees), lamp(state). Write only the call, arguments by name, values in double quotes, for example water(bed="2", minutes="10").',
    samples: ["give bed 4 water for 15 minutes", "heat to 18 degrees tonight", "lamp off please"],
  },
  {
    name: "forum",
    title: "A forum's guard: yes or no",
    prompt:
      'You guard a forum for children. Does the message give away a telephone number or an e-mail address? Answer "yes" or "no".',
    samples: ["call me on 555 0134 after school", "who else finished the third puzzle?"],
  },
];
