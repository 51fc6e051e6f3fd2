import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { WebStandardStreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js';
import type { RequestHandlerExtra } from '@modelcontextprotocol/sdk/shared/protocol.js';
import type { CallToolResult, ServerNotification, ServerRequest } from '@modelcontextprotocol/sdk/types.js';
import { type EarshotError, toEarshotError } from '../core/errors.ts';
import type { Principal } from '../core/principal.ts';
import type { McpServices, Tool, ToolCall } from './tool.ts';
import { getJobTool, listJobsTool, searchTranscriptsTool } from './tools/jobs.ts';
import { listLiveSessionsTool, readLiveSessionTool } from './tools/live.ts';
import { listSpeakersTool } from './tools/speakers.ts';
import { transcribeTool } from './tools/transcribe.ts';

const TOOLS: readonly Tool[] = [transcribeTool, getJobTool, listJobsTool, searchTranscriptsTool, listLiveSessionsTool, readLiveSessionTool, listSpeakersTool];

type Extra = RequestHandlerExtra<ServerRequest, ServerNotification>;

/** An answer on its way; `close` when it is sent, or when nobody waits for it. */
export interface McpAnswer {
  readonly response: Response;
  readonly close: () => Promise<void>;
}

/**
 * Answers one message of the Model Context Protocol (streamable HTTP). There are no protocol sessions: every request brings its key, and is served by
 * itself, on any node. A caller sees the tools that its permissions allow.
 */
export async function answerMcp(services: McpServices, caller: Principal, request: Request, message: unknown): Promise<McpAnswer> {
  const server = new McpServer({ name: 'earshot', version: '1' });
  for (const tool of TOOLS) if (caller.permissions.has(tool.permission)) offer(server, tool, services, caller);
  const transport = new WebStandardStreamableHTTPServerTransport();
  await server.connect(transport);
  return { response: await transport.handleRequest(request, { parsedBody: message }), close: () => server.close() };
}

function offer(server: McpServer, tool: Tool, services: McpServices, caller: Principal): void {
  const { name, title, description, input, isReadOnly } = tool;
  const annotations = { readOnlyHint: isReadOnly, destructiveHint: false, openWorldHint: false };
  server.registerTool(name, { title, description, inputSchema: input, annotations }, async (args: unknown, extra: Extra): Promise<CallToolResult> => {
    try {
      const { data, text } = await tool.run(args, { services, caller, signal: extra.signal, progress: progressTo(extra) });
      return { content: [{ type: 'text', text: text ?? JSON.stringify(data, null, 2) }], structuredContent: data };
    } catch (thrown) {
      return failure(services, name, toEarshotError(thrown));
    }
  });
}

/** Told to the model, which may do better then; a fault of the server is logged as well. */
function failure({ log }: McpServices, tool: string, error: EarshotError): CallToolResult {
  if (error.rule.httpStatus >= 500) log.error({ tool, code: error.code, err: error.cause ?? error }, 'tool failed');
  const retry = error.retryAfterSeconds === undefined ? '' : ` Try again after ${String(error.retryAfterSeconds)} s.`;
  return { isError: true, content: [{ type: 'text', text: `${error.code}: ${error.message}${retry}` }] };
}

function progressTo({ _meta, sendNotification }: Extra): ToolCall['progress'] {
  const progressToken = _meta?.progressToken;
  if (progressToken === undefined) return () => undefined;
  let told = 0;
  return (settledMs) => {
    // Channels are settled one after the other; progress only grows.
    if (settledMs <= told) return;
    told = settledMs;
    const params = { progressToken, progress: settledMs, message: `${(settledMs / 1000).toFixed(1)} s of audio` };
    sendNotification({ method: 'notifications/progress', params }).catch(() => undefined);
  };
}
