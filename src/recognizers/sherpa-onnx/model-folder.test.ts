import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { EarshotError } from '../../core/errors.ts';
import { MODEL_FAMILIES } from './families.ts';
import { parseManifest } from './manifest.ts';
import { describeModel } from './model-folder.ts';

/** Published archives: name, some of their files, and what they are. */
const PUBLISHED: readonly (readonly [name: string, files: string, family: string, languages: string, taken: string])[] = [
  [
    'sherpa-onnx-streaming-zipformer-en-2023-06-26',
    'encoder-epoch-99-avg-1-chunk-16-left-128.int8.onnx encoder-epoch-99-avg-1-chunk-16-left-128.onnx decoder-epoch-99-avg-1-chunk-16-left-128.int8.onnx decoder-epoch-99-avg-1-chunk-16-left-128.onnx joiner-epoch-99-avg-1-chunk-16-left-128.int8.onnx joiner-epoch-99-avg-1-chunk-16-left-128.onnx tokens.txt bpe.model test_wavs/0.wav README.md',
    'streaming-transducer',
    'en',
    'encoder-epoch-99-avg-1-chunk-16-left-128.int8.onnx decoder-epoch-99-avg-1-chunk-16-left-128.onnx joiner-epoch-99-avg-1-chunk-16-left-128.int8.onnx tokens.txt',
  ],
  [
    'sherpa-onnx-streaming-zipformer-bilingual-zh-en-2023-02-20',
    'encoder-epoch-99-avg-1.int8.onnx encoder-epoch-99-avg-1.onnx decoder-epoch-99-avg-1.onnx joiner-epoch-99-avg-1.onnx tokens.txt',
    'streaming-transducer',
    'zh en',
    'encoder-epoch-99-avg-1.int8.onnx decoder-epoch-99-avg-1.onnx joiner-epoch-99-avg-1.onnx tokens.txt',
  ],
  [
    'icefall-asr-zipformer-streaming-wenetspeech-20230615',
    'exp/encoder-epoch-12-avg-4-chunk-16-left-128.int8.onnx exp/decoder-epoch-12-avg-4-chunk-16-left-128.onnx exp/joiner-epoch-12-avg-4-chunk-16-left-128.onnx data/lang_char/tokens.txt',
    'streaming-transducer',
    'zh',
    'exp/encoder-epoch-12-avg-4-chunk-16-left-128.int8.onnx exp/decoder-epoch-12-avg-4-chunk-16-left-128.onnx exp/joiner-epoch-12-avg-4-chunk-16-left-128.onnx data/lang_char/tokens.txt',
  ],
  ['sherpa-onnx-lstm-en-2023-02-17', 'encoder-epoch-99-avg-1.onnx decoder-epoch-99-avg-1.onnx joiner-epoch-99-avg-1.onnx tokens.txt', 'streaming-transducer', 'en', ''],
  ['sherpa-onnx-nemo-streaming-fast-conformer-transducer-en-80ms', 'encoder.onnx decoder.onnx joiner.onnx tokens.txt', 'streaming-transducer', 'en', ''],
  ['sherpa-onnx-nemotron-speech-streaming-en-0.6b-560ms-int8-2026-04-25', 'encoder.int8.onnx decoder.int8.onnx joiner.int8.onnx tokens.txt', 'streaming-transducer', 'en', ''],
  ['sherpa-onnx-nemo-parakeet-unified-en-0.6b-int8-non-streaming', 'encoder.int8.onnx decoder.int8.onnx joiner.int8.onnx tokens.txt', 'nemo-transducer', 'en', ''],
  ['sherpa-onnx-nemo-streaming-fast-conformer-ctc-en-480ms', 'model.onnx tokens.txt', 'streaming-nemo-ctc', 'en', ''],
  ['sherpa-onnx-streaming-zipformer-ctc-small-2024-03-18', 'ctc-epoch-30-avg-3-chunk-16-left-128.int8.onnx bpe.model tokens.txt', 'streaming-zipformer-ctc', 'en', ''],
  ['sherpa-onnx-streaming-zipformer-small-ctc-zh-int8-2025-04-01', 'model.int8.onnx tokens.txt bbpe.model', 'streaming-zipformer-ctc', 'zh', ''],
  ['sherpa-onnx-streaming-paraformer-bilingual-zh-en', 'encoder.int8.onnx encoder.onnx decoder.int8.onnx decoder.onnx tokens.txt', 'streaming-paraformer', 'zh en', 'encoder.int8.onnx decoder.int8.onnx tokens.txt'],
  ['sherpa-onnx-streaming-t-one-russian-2025-09-08', 'model.onnx tokens.txt', 'streaming-t-one-ctc', 'ru', ''],
  ['sherpa-onnx-whisper-tiny.en', 'tiny.en-decoder.int8.onnx tiny.en-decoder.onnx tiny.en-encoder.int8.onnx tiny.en-encoder.onnx tiny.en-tokens.txt', 'whisper', 'en', 'tiny.en-encoder.int8.onnx tiny.en-decoder.int8.onnx tiny.en-tokens.txt'],
  ['sherpa-onnx-whisper-base', 'base-decoder.onnx base-encoder.onnx base-tokens.txt', 'whisper', '*', ''],
  ['sherpa-onnx-moonshine-tiny-en-int8', 'preprocess.onnx encode.int8.onnx uncached_decode.int8.onnx cached_decode.int8.onnx tokens.txt', 'moonshine', 'en', 'preprocess.onnx encode.int8.onnx uncached_decode.int8.onnx cached_decode.int8.onnx tokens.txt'],
  ['sherpa-onnx-moonshine-base-es-quantized-2026-02-27', 'encoder_model.ort decoder_model_merged.ort tokens.txt', 'moonshine-merged', 'es', ''],
  ['sherpa-onnx-nemo-parakeet-tdt-0.6b-v2-int8', 'encoder.int8.onnx decoder.int8.onnx joiner.int8.onnx tokens.txt', 'nemo-transducer', 'en', ''],
  ['sherpa-onnx-nemo-parakeet-tdt-0.6b-v3-int8', 'encoder.int8.onnx decoder.int8.onnx joiner.int8.onnx tokens.txt', 'nemo-transducer', '*', ''],
  ['sherpa-onnx-nemo-parakeet-tdt_ctc-0.6b-ja-35000-int8', 'model.int8.onnx tokens.txt', 'nemo-ctc', 'ja', ''],
  ['sherpa-onnx-nemo-ctc-en-citrinet-512', 'model.int8.onnx model.onnx tokens.txt', 'nemo-ctc', 'en', 'model.int8.onnx tokens.txt'],
  ['sherpa-onnx-nemo-ctc-giga-am-v2-russian-2025-04-19', 'model.int8.onnx tokens.txt', 'nemo-ctc', 'ru', ''],
  ['sherpa-onnx-nemo-transducer-giga-am-russian-2024-10-24', 'encoder.int8.onnx decoder.onnx joiner.onnx tokens.txt', 'nemo-transducer', 'ru', ''],
  ['sherpa-onnx-nemo-fast-conformer-ctc-be-de-en-es-fr-hr-it-pl-ru-uk-20k', 'model.onnx tokens.txt', 'nemo-ctc', 'be de en es fr hr it pl ru uk', ''],
  ['sherpa-onnx-nemo-canary-180m-flash-en-es-de-fr-int8', 'encoder.int8.onnx decoder.int8.onnx tokens.txt', 'canary', 'en es de fr', ''],
  ['sherpa-onnx-sense-voice-zh-en-ja-ko-yue-2024-07-17', 'model.int8.onnx model.onnx tokens.txt export-onnx.py', 'sense-voice', 'zh en ja ko', 'model.int8.onnx tokens.txt'],
  ['sherpa-onnx-paraformer-zh-2023-09-14', 'model.int8.onnx model.onnx tokens.txt am.mvn config.yaml', 'paraformer', 'zh', ''],
  ['sherpa-onnx-zipformer-gigaspeech-2023-12-12', 'encoder-epoch-30-avg-1.int8.onnx decoder-epoch-30-avg-1.onnx joiner-epoch-30-avg-1.int8.onnx tokens.txt', 'transducer', 'en', ''],
  ['sherpa-onnx-zipformer-ja-reazonspeech-2024-08-01', 'encoder-epoch-99-avg-1.int8.onnx decoder-epoch-99-avg-1.onnx joiner-epoch-99-avg-1.int8.onnx tokens.txt', 'transducer', 'ja', ''],
  ['sherpa-onnx-zipformer-ctc-zh-int8-2025-07-03', 'model.int8.onnx tokens.txt bbpe.model', 'zipformer-ctc', 'zh', ''],
  ['sherpa-onnx-wenetspeech-yue-u2pp-conformer-ctc-zh-en-cantonese-int8-2025-09-10', 'model.int8.onnx tokens.txt', 'wenet-ctc', 'zh en', ''],
  ['sherpa-onnx-telespeech-ctc-int8-zh-2024-06-04', 'model.int8.onnx tokens.txt', 'telespeech-ctc', 'zh', ''],
  ['sherpa-onnx-dolphin-base-ctc-multi-lang-int8-2025-04-02', 'model.int8.onnx tokens.txt', 'dolphin-ctc', '', ''],
  ['sherpa-onnx-fire-red-asr-large-zh_en-2025-02-16', 'encoder.int8.onnx decoder.int8.onnx tokens.txt', 'fire-red', 'zh en', ''],
  ['sherpa-onnx-fire-red-asr2-ctc-zh_en-int8-2026-02-25', 'model.int8.onnx tokens.txt', 'fire-red-ctc', 'zh en', ''],
  ['sherpa-onnx-punct-ct-transformer-zh-en-vocab272727-2024-04-12', 'model.onnx tokens.json config.yaml', 'punctuation', 'zh en', 'model.onnx'],
  ['sherpa-onnx-online-punct-en-2024-08-06', 'model.int8.onnx model.onnx bpe.vocab', 'streaming-punctuation', 'en', 'model.int8.onnx bpe.vocab'],
];

for (const [name, files, family, languages, taken] of PUBLISHED) {
  test(`${name} is recognized`, () => {
    const model = describeModel(name, files.split(' '));
    assert.equal(model.family, family);
    if (languages === '*') assert.ok(model.languages.length > 20 && model.languages.includes('en') && model.languages.includes('de'));
    else assert.equal(model.languages.join(' '), languages);
    if (taken !== '') assert.equal(Object.values(model.files).join(' '), taken);
  });
}

const isUnavailable = (error: unknown): boolean => error instanceof EarshotError && error.code === 'MODEL_UNAVAILABLE';

test('what is missing is named', () => {
  assert.throws(() => describeModel('sherpa-onnx-whisper-tiny', ['tiny-encoder.onnx', 'tiny-decoder.onnx']), /lacks its file for "tokens"/);
  assert.throws(() => describeModel('sherpa-onnx-zipformer-en', ['encoder.onnx', 'joiner.onnx', 'tokens.txt']), /lacks its file for "decoder"/);
  assert.throws(() => describeModel('holiday-pictures', ['1.jpg']), /not recognized/);
  assert.throws(() => describeModel('sherpa-onnx-nemo-ctc-en', []), isUnavailable);
});

test('a manifest has the last word', () => {
  const files = ['model.onnx', 'model.int8.onnx', 'other.onnx', 'tokens.txt'];
  const manifest = parseManifest('{"family": "nemo-ctc", "languages": ["de"], "displayName": "Ours", "precision": "fp32"}');
  const model = describeModel('our-model', files, manifest);
  assert.deepEqual([model.family, model.languages, model.displayName, model.files['model']], ['nemo-ctc', ['de'], 'Ours', 'model.onnx']);
  assert.equal(describeModel('our-model', files, { family: 'nemo-ctc', files: { model: 'other.onnx' } }).files['model'], 'other.onnx');
  assert.throws(() => describeModel('our-model', files, { family: 'nemo-ctc', files: { model: 'gone.onnx' } }), /"model": gone.onnx/);
});

test('a manifest that is wrong is refused with the field', () => {
  const refused = (json: string, field: RegExp): void => {
    assert.throws(() => parseManifest(json), (error) => error instanceof EarshotError && error.code === 'VALIDATION_ERROR' && field.test(error.message));
  };
  refused('{', /not JSON/);
  refused('[]', /manifest/);
  refused('{"famly": "whisper"}', /famly/);
  refused('{"family": "gpt"}', /family/);
  refused('{"languages": ["english"]}', /languages/);
  refused('{"files": {"model": "../../etc/passwd"}}', /inside the folder/);
  refused('{"files": {"model": "/etc/passwd"}}', /inside the folder/);
});

test('whatever is in a folder, it is a model with all its files or refused with the code', () => {
  const part = fc.constantFrom('encoder', 'decoder', 'joiner', 'model', 'tokens', '.onnx', '.int8', '.txt', '.ort', '-', 'preprocess', '/', 'bpe.vocab', 'x');
  const path = fc.array(part, { minLength: 1, maxLength: 5 }).map((parts) => parts.join(''));
  const name = fc.array(fc.constantFrom('sherpa-onnx', 'streaming', 'zipformer', 'nemo', 'whisper', 'punct', 'ctc', 'en', 'paraformer'), { maxLength: 4 }).map((parts) => parts.join('-'));
  fc.assert(
    fc.property(name, fc.array(path, { maxLength: 12 }), fc.option(fc.constantFrom(...MODEL_FAMILIES), { nil: undefined }), (folder, paths, family) => {
      try {
        const model = describeModel(folder, paths, family && { family });
        assert.ok(Object.values(model.files).every((file) => paths.includes(file)));
      } catch (error) {
        if (!isUnavailable(error)) throw error;
      }
    }),
    { numRuns: 2000 },
  );
});
