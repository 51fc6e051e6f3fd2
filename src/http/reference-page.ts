import type { OpenApiDocument } from './openapi.ts';

interface Operation {
  readonly summary: string;
  readonly description: string;
  readonly tags: readonly string[];
  readonly 'x-permission': string;
  readonly 'x-websocket'?: true | 'also';
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly required: boolean; readonly description?: string; readonly schema: object }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: object }>> };
  readonly responses: Readonly<Record<string, { readonly description: string; readonly 'x-codes'?: readonly string[]; readonly content?: Readonly<Record<string, { readonly schema: object }>> }>>;
}

/** The document as a page to read: no script, nothing from elsewhere. */
export function referencePage(document: OpenApiDocument): string {
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation: operation as unknown as Operation })),
  );
  const sections = [...Map.groupBy(operations, ({ operation }) => operation.tags[0] ?? '')].map(
    ([tag, those]) => `<h2>${escape(tag)}</h2>${those.map(({ path, method, operation }) => routeHtml(path, method, operation)).join('')}`,
  );
  return `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Earshot API</title><style>${STYLE}</style>
<h1>Earshot API</h1><p>The same for programs: <a href="/openapi.json">openapi.json</a>. Keys go into <code>Authorization: Bearer</code> or <code>?token=</code>.</p>${sections.join('')}</html>`;
}

function routeHtml(path: string, method: string, operation: Operation): string {
  const { parameters = [], requestBody, responses } = operation;
  const verb = { true: 'WS', also: `${method}, WS`, undefined: method }[String(operation['x-websocket'])] ?? method;
  const rows = parameters.map(({ name, in: place, required, description = '', schema }) => `<tr><td><code>${escape(name)}</code><td>${place}${required ? ', required' : ''}<td>${escape(description)}${schemaHtml(schema)}`);
  return `<details><summary><b>${verb}</b> <code>${escape(path)}</code> ${escape(operation.summary)}</summary>
<p>${escape(operation.description)}</p>${rows.length > 0 ? `<table>${rows.join('')}</table>` : ''}
${requestBody ? `<h3>Body</h3>${contentHtml(requestBody.content)}` : ''}
${Object.entries(responses)
  .map(([status, { description, content, 'x-codes': codes }]) => `<h3>${status}</h3><p>${escape(description)}</p>${codes || !content ? '' : contentHtml(content)}`)
  .join('')}</details>`;
}

const contentHtml = (content: Readonly<Record<string, { readonly schema: object }>>): string =>
  Object.entries(content)
    .map(([type, { schema }]) => `<p><code>${escape(type)}</code></p>${schemaHtml(schema)}`)
    .join('');

const schemaHtml = (schema: object): string => `<pre>${escape(JSON.stringify(schema, null, 1))}</pre>`;

const escape = (text: string): string => text.replace(/[&<>"]/g, (sign) => `&#${String(sign.charCodeAt(0))};`);

const STYLE =
  'body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color-scheme:light dark}details{border-top:1px solid #8886;padding:.4rem 0}summary{cursor:pointer}p{white-space:pre-line}pre{overflow:auto;background:#8882;padding:.5rem;font-size:.85em}td{vertical-align:top;padding:.2rem .6rem}h3{margin-bottom:0}';
