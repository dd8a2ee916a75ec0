/** @file What the demo asks: system prompts, inputs and the answers they should get, written for it. */

export type DemoSample = { readonly input: string; readonly expected: string };

export type DemoScenario = {
  readonly name: string;
  readonly title: string;
  readonly prompt: string;
  readonly samples: readonly DemoSample[];
};

const kitchen: DemoScenario = {
  name: "kitchen",
  title: "A kitchen assistant's router: bare label",
  prompt: [
    "You are the ear of a kitchen assistant. Somebody in the kitchen, or on the way to a restaurant, says something; find the intent of the message.",
    "The intents are: accept_reservations, calories, cancel_reservation, confirm_reservation, cook_time, food_last, how_busy, ingredient_substitution, ingredients_list, meal_suggestion, nutrition_info, recipe, restaurant_reservation, restaurant_reviews, restaurant_suggestion.",
    "Reply with the bare label, nothing else.",
  ].join(" "),
  samples: [
    { input: "how long do i have to boil new potatoes", expected: "cook_time" },
    { input: "there is no buttermilk left, can i take yogurt for the pancakes", expected: "ingredient_substitution" },
    { input: "get us a table for four at the blue lantern on friday at eight", expected: "restaurant_reservation" },
    { input: "is the risotto from monday still good", expected: "food_last" },
    { input: "how many calories does a slice of carrot cake have", expected: "calories" },
  ],
};

const bank: DemoScenario = {
  name: "bank",
  title: "A bank's request router: JSON",
  prompt: [
    "You sort the requests that reach a retail bank.",
    "Choose one of these intents for every request: account_blocked, balance, bill_balance, bill_due, freeze_account, interest_rate, min_payment, order_checks, pay_bill, pin_change, report_fraud, routing, spending_history, transactions, transfer.",
    'Write it as JSON, {"intent": "..."}, without any other text.',
  ].join(" "),
  samples: [
    { input: "by which day do i have to pay the water bill", expected: '{"intent": "bill_due"}' },
    { input: "move 250 dollars from my savings to checking", expected: '{"intent": "transfer"}' },
    { input: "somebody bought a phone with my card and it was not me", expected: '{"intent": "report_fraud"}' },
    { input: "how much have i spent on coffee this month", expected: '{"intent": "spending_history"}' },
    { input: "i need a box of new checks for my checkbook", expected: '{"intent": "order_checks"}' },
  ],
};

const speaker: DemoScenario = {
  name: "speaker",
  title: "A smart speaker's dispatcher: function call",
  prompt: [
    'A smart speaker at home hands you what it heard. Decide what the person wants and call route with that intent in double quotes, as in route("..."); write only the call.',
    "Known intents: calendar, calendar_update, next_song, order, order_status, play_music, reminder, reminder_update, shopping_list, shopping_list_update, smart_home, todo_list, todo_list_update, update_playlist, what_song.",
  ].join(" "),
  samples: [
    { input: "put oat milk and a dozen eggs on the shopping list", expected: 'route("shopping_list_update")' },
    { input: "skip this one and go to the next track", expected: 'route("next_song")' },
    { input: "turn off the lights in the hall", expected: 'route("smart_home")' },
    { input: "remind me to water the plants this evening", expected: 'route("reminder_update")' },
    { input: "where is the parcel i ordered last week", expected: 'route("order_status")' },
  ],
};

const weather: DemoScenario = {
  name: "weather",
  title: "A weather service's slot extractor: JSON",
  prompt: [
    "Users ask for a weather forecast. Find the details they mention and return them as one flat JSON object, in the order in which they appear, values copied from the text.",
    "Keys you may use: city, condition_description, condition_temperature, country, current_location, geographic_poi, spatial_relation, state, timeRange.",
  ].join(" "),
  samples: [
    {
      input: "Will it be windy in Lisbon tomorrow?",
      expected: '{"condition_description": "windy", "city": "Lisbon", "timeRange": "tomorrow"}',
    },
    { input: "What is the weather in Norway next week", expected: '{"country": "Norway", "timeRange": "next week"}' },
    {
      input: "is it going to be chilly in Oregon at noon",
      expected: '{"condition_temperature": "chilly", "state": "Oregon", "timeRange": "noon"}',
    },
    { input: "What's the forecast for Havana, Cuba?", expected: '{"city": "Havana", "country": "Cuba"}' },
  ],
};

const apartments: DemoScenario = {
  name: "apartments",
  title: "An apartment search's tool call: function with arguments",
  prompt: [
    "You help people find a flat by calling functions.",
    "The functions: FindApartment(area, number_of_beds, furnished, number_of_baths, pets_allowed), ScheduleVisit(property_name, visit_date).",
    "Answer with a single call, arguments by name in alphabetical order, values in double quotes as the user wrote them.",
  ].join(" "),
  samples: [
    {
      input: "I am looking for an apartment. It should be in Oakland and have 2 bedrooms.",
      expected: 'FindApartment(area="Oakland", number_of_beds="2")',
    },
    {
      input: "Can you find me an apartment with 3 bed rooms in Fremont?",
      expected: 'FindApartment(area="Fremont", number_of_beds="3")',
    },
    {
      input: "I want to move to San Jose. I need 1 bedroom.",
      expected: 'FindApartment(area="San Jose", number_of_beds="1")',
    },
  ],
};

const reviews: DemoScenario = {
  name: "reviews",
  title: "A food shop's review reader: sentiment",
  prompt: [
    "You read reviews of food products for a shop.",
    "Say whether the customer liked the food. The possible answers are Positive and Negative; give just the label.",
  ].join(" "),
  samples: [
    {
      input:
        "The best olive oil I have had in years. I already ordered two more bottles and will give one to my sister.",
      expected: "Positive",
    },
    {
      input:
        "These cookies arrived stale and half of them were broken. I was very disappointed and will not buy them again.",
      expected: "Negative",
    },
    { input: "My kids love this granola and so do I. Crunchy, not too sweet, great price.", expected: "Positive" },
    { input: "The tea tastes like dust, the smell is awful. A waste of money.", expected: "Negative" },
  ],
};

export const demoScenarios: readonly DemoScenario[] = [kitchen, bank, speaker, weather, apartments, reviews];
