/**
 * Coverage for the fuzzer: modules that are imported after {@link countEdges} count which of their branches run. What jazzer.js and libFuzzer do, in the little that is
 * needed here: its binary wants a newer libc than Debian 12 has.
 */
import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

/** Which inputs lead where none has led before. */
export interface Guide {
  /** Before each input. */
  reset(): void;
  /** Whether the input since `reset` took a branch for the first time, or one so often as none did. */
  sawNew(): boolean;
  /** Numbers and texts that the code has in it: what it may compare its input with. */
  readonly words: readonly Buffer[];
  /** Branches taken so far, of all there are. */
  counts(): { readonly taken: number; readonly all: number };
}

const MAX_EDGES = 1 << 15;
const MAX_WORD_BYTES = 32;
const COUNTERS = '__edges';
const { factory } = ts;

/** Instruments every module for which `wanted(url)` is true and that is imported from now on. */
export function countEdges(wanted: (url: string) => boolean): Guide {
  const hits = new Uint8Array(MAX_EDGES);
  /** For each branch, a bit for each order of magnitude of hits that one input had. */
  const seen = new Uint8Array(MAX_EDGES);
  const words = new Map<string, Buffer>();
  let edges = 0;
  (globalThis as Record<string, unknown>)[COUNTERS] = hits;
  const count = (): ts.Expression => {
    if (edges === MAX_EDGES) throw new RangeError('More branches than there are counters.');
    return factory.createPostfixIncrement(factory.createElementAccessExpression(factory.createIdentifier(COUNTERS), edges++));
  };
  registerHooks({
    load(url, context, next) {
      if (!url.startsWith('file:') || !wanted(url)) return next(url, context);
      const source = instrumented(readFileSync(fileURLToPath(url), 'utf8'), count, (word) => words.set(word.toString('hex'), word));
      return { format: 'module', source, shortCircuit: true };
    },
  });
  return {
    reset: () => hits.fill(0, 0, edges),
    sawNew: () => {
      let isNew = false;
      for (let edge = 0; edge < edges; edge += 1) {
        const bit = 1 << (32 - Math.clz32(hits[edge]!));
        if (hits[edge] === 0 || (seen[edge]! & bit) !== 0) continue;
        // Bits of 256 hits and more are lost in the byte, which is as good as one order of magnitude for them all.
        seen[edge] = seen[edge]! | bit;
        isNew ||= bit < 256;
      }
      return isNew;
    },
    get words() {
      return [...words.values()];
    },
    counts: () => ({ taken: seen.subarray(0, edges).filter((bits) => bits !== 0).length, all: edges }),
  };
}

function instrumented(source: string, count: () => ts.Expression, note: (word: Buffer) => void): string {
  const options: ts.CompilerOptions = { target: ts.ScriptTarget.ESNext, module: ts.ModuleKind.ESNext, verbatimModuleSyntax: true };
  const transformer: ts.TransformerFactory<ts.SourceFile> = (context) => (file) => {
    const visit = (node: ts.Node): ts.Node => counted(ts.visitEachChild(node, visit, context), count, note);
    return ts.visitEachChild(file, visit, context);
  };
  return ts.transpileModule(source, { compilerOptions: options, transformers: { before: [transformer] } }).outputText;
}

/** The node with a count where it branches. */
function counted(node: ts.Node, count: () => ts.Expression, note: (word: Buffer) => void): ts.Node {
  const statement = (): ts.Statement => factory.createExpressionStatement(count());
  const first = (expression: ts.Expression): ts.Expression => factory.createParenthesizedExpression(factory.createComma(count(), expression));
  const block = (inner: ts.Statement): ts.Statement => (ts.isBlock(inner) ? inner : factory.createBlock([statement(), inner]));
  if (ts.isNumericLiteral(node)) noteNumber(Number(node.text), note);
  if (ts.isStringLiteral(node) && node.text.length <= MAX_WORD_BYTES) note(Buffer.from(node.text));
  if (ts.isBlock(node)) return factory.updateBlock(node, [statement(), ...node.statements]);
  if (ts.isCaseClause(node)) return factory.updateCaseClause(node, node.expression, [statement(), ...node.statements]);
  if (ts.isDefaultClause(node)) return factory.updateDefaultClause(node, [statement(), ...node.statements]);
  if (ts.isIfStatement(node)) return factory.updateIfStatement(node, node.expression, block(node.thenStatement), node.elseStatement && !ts.isIfStatement(node.elseStatement) ? block(node.elseStatement) : node.elseStatement);
  if (ts.isConditionalExpression(node)) return factory.updateConditionalExpression(node, node.condition, node.questionToken, first(node.whenTrue), node.colonToken, first(node.whenFalse));
  if (ts.isArrowFunction(node) && !ts.isBlock(node.body)) {
    return factory.updateArrowFunction(node, node.modifiers, node.typeParameters, node.parameters, node.type, node.equalsGreaterThanToken, first(node.body));
  }
  const isLogical = ts.isBinaryExpression(node) && [ts.SyntaxKind.AmpersandAmpersandToken, ts.SyntaxKind.BarBarToken, ts.SyntaxKind.QuestionQuestionToken].includes(node.operatorToken.kind);
  return isLogical ? factory.updateBinaryExpression(node, node.left, node.operatorToken, first(node.right)) : node;
}

/** As it would stand in a packet: in the least bytes, most significant first. */
function noteNumber(value: number, note: (word: Buffer) => void): void {
  if (!Number.isInteger(value) || value >= 2 ** 32) return;
  const bytes = value < 256 ? 1 : value < 65_536 ? 2 : 4;
  const word = Buffer.alloc(bytes);
  word.writeUIntBE(value, 0, bytes);
  note(word);
}
