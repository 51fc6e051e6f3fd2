/** What clients of chat completions send. */
export interface Question {
  readonly messages: readonly { readonly role: string; readonly content: string }[];
}

/** Stands for an operator's language model: what a well-behaved one answers to each of the server's questions, as the body of a chat completion. */
export const completionOf = (question: Question): string => JSON.stringify({ choices: [{ message: { content: answerTo(question) } }] });

function answerTo({ messages }: Question): string {
  const [system = { content: '' }, user = { content: '' }] = messages;
  const lines = (): [string, string][] => Object.entries(JSON.parse(user.content) as Record<string, string>);
  const ofEach = (answer: (text: string) => unknown): string => JSON.stringify(Object.fromEntries(lines().map(([number, text]) => [number, answer(text)])));
  if (system.content.includes('Translate')) return ofEach((text) => `(fr) ${text}`);
  if (system.content.includes('sentiment')) return ofEach(() => ({ sentiment: 'positive', emotion: 'contentment' }));
  if (system.content.includes('topics')) return ofEach(() => ['The weather']);
  if (system.content.includes('intents')) return ofEach(() => ['Tell a story']);
  if (system.content.includes('entities')) return JSON.stringify({ entities: lines().map(([line, text]) => ({ line, type: 'thing', text: text.split(' ')[0] })) });
  if (system.content.includes('Summarize')) return 'A short summary.';
  return 'An answer.';
}
