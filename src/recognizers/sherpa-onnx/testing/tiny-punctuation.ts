import { OnnxModel } from './onnx.ts';
import type { ModelFiles } from './tiny-models.ts';

const WORDS = ['<blank>', 'low', 'middle', 'high', '<unk>'];
const MARKS = ['<unk>', '_', '，', '。', '？', '、'];
const NONE = MARKS.indexOf('_');
/** The mark that comes after a word. */
const AFTER: Readonly<Record<string, string>> = { middle: '，', high: '。' };

/** As `sherpa-onnx-punct-ct-transformer-zh-en-vocab272727-2024-04-12`, with a vocabulary of what tiny models hear. */
export function ctTransformer(): ModelFiles {
  const model = new OnnxModel();
  const inputs = model.input('inputs', 'int32', ['N', 'T']);
  model.input('text_lengths', 'int32', ['N']);
  const marks = WORDS.flatMap((word) => MARKS.map((_, mark) => (mark === (AFTER[word] === undefined ? NONE : MARKS.indexOf(AFTER[word])) ? 1 : 0)));
  model.output('logits', 'float', ['N', 'T', MARKS.length], model.node('Gather', [model.constant('float', [WORDS.length, MARKS.length], marks), inputs], { axis: 0 }));
  const metadata = { model_type: 'ct_transformer', vocab_size: WORDS.length, tokens: WORDS.join('|'), punctuations: MARKS.join('|'), unk_symbol: '<unk>' };
  return { 'model.onnx': model.bytes(metadata), 'tokens.json': '[]' };
}
