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
    name: "kitchen",
    title: "Kitchen intents",
    prompt:
      "You are the ear of a kitchen assistant. Somebody in the kitchen, or on the way to a restaurant, says something; find the intent of the message. The intents are: accept_reservations, calories, cancel_reservation, confirm_reservation, cook_time, food_last, how_busy, ingredient_substitution, ingredients_list, meal_suggestion, nutrition_info, recipe, restaurant_reservation, restaurant_reviews, restaurant_suggestion. Reply with the bare label, nothing else.",
    samples: [
      "how long do i have to boil new potatoes",
      "is the risotto from monday still good",
      "how many calories does a slice of carrot cake have",
    ],
  },
  {
    name: "bank",
    title: "Bank requests, as JSON",
    prompt:
      'You sort the requests that reach a retail bank. Choose one of these intents for every request: account_blocked, balance, bill_balance, bill_due, freeze_account, interest_rate, min_payment, order_checks, pay_bill, pin_change, report_fraud, routing, spending_history, transactions, transfer. Write it as JSON, {"intent": "..."}, without any other text.',
    samples: [
      "by which day do i have to pay the water bill",
      "move 250 dollars from my savings to checking",
      "i need a box of new checks for my checkbook",
    ],
  },
  {
    name: "speaker",
    title: "Smart speaker calls",
    prompt:
      'A smart speaker at home hands you what it heard. Decide what the person wants and call route with that intent in double quotes, as in route("..."); write only the call. Known intents: calendar, calendar_update, next_song, order, order_status, play_music, reminder, reminder_update, shopping_list, shopping_list_update, smart_home, todo_list, todo_list_update, update_playlist, what_song.',
    samples: [
      "put oat milk and a dozen eggs on the shopping list",
      "skip this one and go to the next track",
      "turn off the lights in the hall",
    ],
  },
  {
    name: "reviews",
    title: "Review sentiment",
    prompt:
      "You read reviews of food products for a shop. Say whether the customer liked the food. The possible answers are Positive and Negative; give just the label.",
    samples: [
      "My kids love this granola and so do I. Crunchy, not too sweet, great price.",
      "The tea tastes like dust, the smell is awful. A waste of money.",
    ],
  },
];
