import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

export interface ChatQuestion {
  readonly model: string;
  readonly instructions: string;
  readonly input: string;
  readonly authorization: string | undefined;
}

/** How one question is answered: with text, or in a way of its own. */
export type ChatAnswer = string | ((response: ServerResponse) => void);

/** A chat-completions endpoint on loopback that says, and does, whatever it is told. */
export class FakeChat implements AsyncDisposable {
  readonly questions: ChatQuestion[] = [];
  answer: (question: ChatQuestion) => ChatAnswer = () => 'yes';
  readonly #server = createServer((request, response) => void this.#serve(request, response));

  static async start(): Promise<FakeChat> {
    const chat = new FakeChat();
    await new Promise<void>((resolve) => chat.#server.listen(0, '127.0.0.1', resolve));
    return chat;
  }

  get url(): string {
    return `http://127.0.0.1:${String((this.#server.address() as AddressInfo).port)}/v1`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { model, messages } = JSON.parse(await text(request)) as { readonly model: string; readonly messages: readonly { readonly role: string; readonly content: string }[] };
    const said = (role: string): string => messages.find((message) => message.role === role)?.content ?? '';
    const question = { model, instructions: said('system'), input: said('user'), authorization: request.headers.authorization };
    this.questions.push(question);
    const answer = request.url === '/v1/chat/completions' ? this.answer(question) : (): void => void response.writeHead(404).end();
    if (typeof answer === 'string') response.setHeader('content-type', 'application/json').end(JSON.stringify({ choices: [{ message: { role: 'assistant', content: answer }, finish_reason: 'stop' }] }));
    else answer(response);
  }
}
