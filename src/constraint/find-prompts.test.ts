/** @file Prompts as engineers write them for routers, moderation, triage and checks; and others that have lists but leave the answer open. */
import { expect, test } from "vitest";
import { findConstraint } from "./find.ts";

const closed: readonly (readonly [prompt: string, labels: string])[] = [
  [
    "You are a support router. Read the customer's message and reply with exactly one of the following queue names:\n\n- billing: invoices, charges, refunds\n- technical: bugs, outages, login problems\n- sales: pricing and upgrades\n- other: anything else\n\nReply with the queue name only, no punctuation.",
    "billing|technical|sales|other",
  ],
  [
    "# Role\nYou are a content moderation classifier.\n\n# Labels\n- **safe**: nothing problematic\n- **toxic**: insults or threats\n- **sexual**: adult content\n\n# Output\nReturn only the label, nothing else.",
    "safe|toxic|sexual",
  ],
  [
    "You triage incoming bug reports. Severity must be one of: critical, major, minor, trivial. Output only the severity.",
    "critical|major|minor|trivial",
  ],
  ["Answer must be the letters E, C, and N.", "E|C|N"],
  ["Codes: A = alarm, L = light, M = music. Answer with the code of the request.", "A|L|M"],
  ["Labels: 1=positive, 0=negative. Answer with the number.", "1|0"],
  ["Categories:\n- A = alarm\n- B = light\nAnswer with one category.", "A|B"],
  ["Reply with either A or B.", "A|B"],
  ["Classify as one of: refund, exchange, complaint.", "refund|exchange|complaint"],
  [
    "Determine the sentiment of the tweet. Your answer should be either 'positive', 'negative' or 'neutral'.",
    "positive|negative|neutral",
  ],
  [
    "You will be given two sentences. If the second follows from the first, output entailment. Possible outputs: entailment, contradiction, neutral.",
    "entailment|contradiction|neutral",
  ],
  ["You decide whether a message needs a human agent. Respond with YES or NO. Do not add anything else.", "YES|NO"],
  [
    "Categories:\n1. Hardware\n2. Software\n3. Network\n4. Access\n\nAssign the ticket to one of the categories above. Output the category name only.",
    "Hardware|Software|Network|Access",
  ],
  ["Is this email phishing? Output 1 if it is, otherwise output 0.", "1|0"],
  [
    "Given a product review, label it as POSITIVE if the customer is happy, and NEGATIVE otherwise.",
    "POSITIVE|NEGATIVE",
  ],
  [
    "You are an intent classifier for a bank's chatbot. The intents are: check_balance, transfer_money, block_card, talk_to_human. For each user message, output the intent and nothing else.",
    "check_balance|transfer_money|block_card|talk_to_human",
  ],
  ["Decide the priority of each ticket (P1, P2, P3 or P4). Answer with one of P1, P2, P3, P4.", "P1|P2|P3|P4"],
  [
    'Classify the following support ticket into one of these categories: "Billing", "Bug", "Feature request", "Account". Only output the category.',
    "Billing|Bug|Feature request|Account",
  ],
  ["You are a spam filter for a forum. Label each post as spam or ham. Only return the label.", "spam|ham"],
  [
    "Your task is to route patient messages to the right department. Available departments: cardiology, dermatology, pediatrics, radiology. Respond with the department name only.",
    "cardiology|dermatology|pediatrics|radiology",
  ],
  [
    "Choose between approve, reject and escalate for the expense report below. Return just the word.",
    "approve|reject|escalate",
  ],
  [
    "What is the emotion of the speaker? Options: joy, sadness, anger, fear, surprise. Select one option.",
    "joy|sadness|anger|fear|surprise",
  ],
  [
    "Read the claim and the evidence. The label is SUPPORTS, REFUTES or NOT ENOUGH INFO.",
    "SUPPORTS|REFUTES|NOT ENOUGH INFO",
  ],
  [
    "Classify user queries.\n\nValid categories:\n• order_status – where is my order\n• returns – sending items back\n• product_question – details about products\n\nRespond only with the category.",
    "order_status|returns|product_question",
  ],
  [
    "You grade short answers. Return `correct`, `partially correct` or `incorrect`.",
    "correct|partially correct|incorrect",
  ],
  ["Answer true or false: the passage mentions a date.", "true|false"],
  [
    "Pick the tool that fits the request: calculator, search, calendar or none. Reply with the tool's name.",
    "calculator|search|calendar|none",
  ],
  [
    "You are given a news headline. Assign it to one of four topics: World, Sports, Business, Sci/Tech.",
    "World|Sports|Business|Sci/Tech",
  ],
  ["Respond with one word: yes or no.", "yes|no"],
  ["Return the sentiment label: positive, negative, neutral.", "positive|negative|neutral"],
  [
    "Tag each incoming message with a single label from the list below.\n\n- question\n- complaint\n- praise\n- spam",
    "question|complaint|praise|spam",
  ],
  ['Is the claim true? If it is, the answer is "Yes". Otherwise, the answer is "No".', "Yes|No"],
  ["Decide if the text is an ad. Answer (yes/no).", "yes|no"],
  ["Select the correct option (A, B, C or D).", "A|B|C|D"],
  ['Mark the tweet with "pos" or "neg".', "pos|neg"],
  ['Output "spam" if the mail sells something, and "ham" in all other cases.', "spam|ham"],
  ["Labels: bug (something broken), wish (a new feature). Answer with one label.", "bug|wish"],
  ['Choose the best answer among "first," "second," or "third."', "first|second|third"],
  ["Read the mail. Answer 1 for spam, 2 for news and 3 for letters.", "1|2|3"],
];

const open = [
  "Tell the visitor the price. Answer 12 for adults, 6 for children, and greet them.",

  "Answer yes or no. Confidence in percent too.",
  "Labels: a1, b1, c1. More than one may be right.",
  "Chat with the guest. Choose one of: red, blue.",
  "You are a bartender. The drinks are: mojito, negroni, spritz. Recommend one to the guest and tell them how it is made.",
  "Write a product description in one of these tones: playful, serious, luxurious.",
  "Extract the following fields from the invoice: number, date, total.",
  "You are a travel agent for Italy, France and Spain. Answer customers' questions about trips.",
  "Summarise the ticket and say whether it is urgent, normal or low.",
  "Classify the ticket as bug or feature, then draft a reply to the customer.",
  "Label the review as positive or negative and quote the sentence that shows it.",
  "Reply in English or German, depending on the language of the customer.",
  'You moderate a forum. If a post is spam, answer "removed", otherwise write a friendly reply.',
  "Answer yes or no if the question allows it; otherwise answer in a sentence.",
  "Assign one or more of these labels: bug, docs, test, build.",
  "For each line in the log output one of: INFO, WARN, ERROR.",
  "The user will pick one of: rock, paper, scissors. Pick one too and taunt the user.",
  "Rate the essay: clarity, grammar, structure. Give each a number from 1 to 5.",
  "You are a quiz master. Categories: history, sports, science. Ask one question at a time.",
  "Steps:\n1. Read the ticket\n2. Find the owner\n3. Write to the owner",
  "Decide between the two candidates, Anna and Ben, and justify your decision.",
  "Return the label (spam or ham) and a confidence score as JSON.",
  "Classify the email into categories such as work, family or ads.",
  "Tell the user which sizes we have: small, medium, large.",
  "When the user asks for a colour, answer with one of: red, green, blue. Otherwise chat with them.",
  "Translate the sentence. Output 1 line if it is short, otherwise 2.",
  "Help the user choose between tea and coffee.",
  "The customer must choose between small and large. Take the order.",
  "Your answer should be short or long depending on the question.",
  "Answers are either in English or in French.",
  "You write code. Output must be Python or JavaScript.",
  "The response should be friendly, helpful or funny.",
  'Say "Good morning" if it is before noon, otherwise say "Hello", then ask what they need.',
  'If the user says their name, answer "Hi", otherwise ask for it.',
  "Sort the words into nouns, verbs and adjectives.",
  "Give a verdict of guilty or not guilty and the sentence in years.",
  "There are three possible endings: happy, sad, open. Write the last chapter.",
  "Mark the stressed syllables as strong or weak.",
  "Choose between a formal and a casual tone.",
  "Write 'Dear Sir' if the recipient is a man, otherwise 'Dear Madam', and continue the letter.",
  "Output a list of animals, or NONE if there are none.",
  'Answer the question with a number, or answer "unknown" if the text does not say.',
  'Return the name of the author if it is given, otherwise return "unknown".',
  "Output the city. If there is no city, output NONE. Output UNKNOWN if unsure.",
  "Provide the answer, or 0 if there is none, otherwise 1 for errors.",
  "Labels: happy (POS), sad (NEG).",
  'Possible answers: "yes.", "no." With a reason.',
];

test.each(closed)("the labels are found in: %s", (prompt, labels) => {
  expect(findConstraint(prompt)?.spec).toEqual({ kind: "labels", labels: labels.split("|") });
});

test.each(open)("nothing is found in: %s", (prompt) => expect(findConstraint(prompt)).toBeUndefined());
