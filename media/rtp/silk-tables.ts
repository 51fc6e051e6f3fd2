/**
 * The symbols of a SILK frame up to 8 kHz, the first of its packet, in the order in which they are written, with the probabilities of their values in 256ths, as RFC 6716 lists
 * them in the sections named. What a symbol's constant holds is where it begins in {@link RANGES}.
 */
const ranges: number[] = [];

/** What is kept of each value is how much of 256 lies behind it. */
function code(...probabilities: readonly number[]): number {
  const at = ranges.length;
  let rest = 256;
  for (const probability of probabilities) ranges.push((rest -= probability));
  return at;
}

const uniform = (values: number): number => code(...new Array<number>(values).fill(256 / values));

/** 4.2.7.3: of a frame without voice activity, and with. */
export const SILENT_FRAME_TYPE = code(26, 230);
export const ACTIVE_FRAME_TYPE = code(24, 74, 148, 10);

/** 4.2.7.4: by signal type, then the lower three bits, then what the next subframes add. */
export const GAIN: readonly number[] = [
  code(32, 112, 68, 29, 12, 1, 1, 1),
  code(2, 17, 45, 60, 62, 47, 19, 4),
  code(1, 3, 26, 71, 94, 50, 9, 2),
];
export const GAIN_LOW_BITS = uniform(8);
export const GAIN_DELTA = code(6, 5, 11, 31, 132, 21, 8, 4, 3, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1);

/** 4.2.7.5.1: of what is not voiced, and of what is. */
export const LSF_VECTOR: readonly number[] = [
  code(31, 21, 3, 17, 1, 8, 17, 4, 1, 18, 16, 4, 2, 3, 1, 10, 1, 3, 16, 11, 16, 2, 2, 3, 2, 11, 1, 4, 9, 8, 7, 3),
  code(1, 4, 16, 5, 18, 11, 5, 14, 15, 1, 3, 12, 13, 14, 14, 6, 14, 12, 2, 6, 1, 12, 12, 11, 10, 3, 10, 5, 1, 1, 1, 3),
];

/** 4.2.7.5.2: codes `i` to `p`, which of them each of the 16 coefficients has by the vector that was chosen, and what stands behind the least and the greatest value. */
const LSF_RESIDUALS: readonly number[] = [
  code(1, 1, 1, 9, 232, 9, 1, 1, 1),
  code(1, 1, 2, 28, 186, 35, 1, 1, 1),
  code(1, 1, 3, 42, 152, 53, 2, 1, 1),
  code(1, 1, 10, 49, 126, 65, 2, 1, 1),
  code(1, 4, 19, 48, 100, 77, 5, 1, 1),
  code(1, 1, 14, 54, 100, 72, 12, 1, 1),
  code(1, 1, 15, 61, 87, 61, 25, 4, 1),
  code(1, 7, 21, 50, 77, 81, 17, 1, 1),
];
const LSF_CODES: readonly string[] = [
  'iiiiiiiiiiiiiiii', 'klllllkkkkkjjjil', 'knnlpmmnknmnnmll', 'ikjkkjjjjjiiiiij',
  'ionmompnmmmnnmml', 'ilnnmllnllllllkm', 'iiiiiiiiiiiiiiii', 'ikolpknlmnnmllkl',
  'iokoomnmonmmnlll', 'kjiiiiiiiiiiiiii', 'ijiiiiiiiiiiiiij', 'kklmnlllllllkkjl',
  'kkllmllllllllkjl', 'lmmmommnlnmmnmlm', 'iomnmpnkonpmmlnl', 'ijijjjjjjjiiiiji',
  'jonpnmnlmnmmmllm', 'jllmmllnkllnnnlm', 'kllkkklkjkjkjjjm', 'iklnllkkkjjiiiii',
  'lmlnllkkjjjjjkkm', 'kolppmnmnlnllkll', 'klnoolnlmmllllkm', 'jllmmmmlnnnljjjj',
  'knloompmmnlmmlll', 'iojjiiiiiiiiiiii', 'ioolnknnlmmppmmm', 'llplnmlllkklllkl',
  'iijiiikjkjjkkkjj', 'ilknllklkjiijiij', 'lnnmpnllklkkjiji', 'klnlmlllkjkomiii',
];
export const LSF_COEFFICIENTS = 16;
export const LSF_RESIDUAL = Array.from(LSF_CODES.join(''), (letter) => LSF_RESIDUALS[letter.charCodeAt(0) - 'i'.charCodeAt(0)] ?? 0);
export const LSF_GREATEST = 8;
export const LSF_EXTENSION = code(156, 60, 24, 9, 4, 2, 1);

/** 4.2.7.5.5. */
export const LSF_INTERPOLATION = code(13, 22, 29, 11, 181);

/** 4.2.7.6.1: the lag, its lower bits, and the contour of two or four subframes. */
export const PITCH_LAG = code(3, 3, 6, 11, 21, 30, 32, 19, 11, 10, 12, 13, 13, 12, 11, 9, 8, 7, 6, 4, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1);
export const PITCH_LAG_LOW_BITS = uniform(8);
export const PITCH_CONTOUR_10_MS = code(91, 46, 39, 19, 14, 12, 8, 7, 6, 5, 5, 4);
export const PITCH_CONTOUR_20_MS = code(33, 22, 18, 16, 15, 14, 14, 13, 13, 10, 9, 9, 8, 6, 6, 6, 5, 4, 4, 4, 3, 3, 3, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1);

/** 4.2.7.6.2: the periodicity, and by it the filters; 4.2.7.6.3: their scale. */
export const LTP_PERIODICITY = code(77, 80, 99);
export const LTP_FILTER: readonly number[] = [
  code(185, 15, 13, 13, 9, 9, 6, 6),
  code(57, 34, 21, 20, 15, 13, 12, 13, 10, 10, 9, 10, 9, 8, 7, 8),
  code(15, 16, 14, 12, 12, 12, 11, 11, 11, 10, 9, 9, 9, 9, 8, 8, 8, 8, 7, 7, 6, 6, 5, 4, 5, 4, 4, 4, 3, 4, 3, 2),
];
export const LTP_SCALE = code(128, 64, 64);

/** 4.2.7.7. */
export const SEED = uniform(4);

/** 4.2.7.8.1: of what is not voiced, and of what is. */
export const RATE_LEVEL: readonly number[] = [
  code(15, 51, 12, 46, 45, 13, 33, 27, 14),
  code(33, 30, 36, 17, 34, 49, 18, 21, 18),
];

/** 4.2.7.8.2: pulses of a block by rate level; {@link MORE_BITS} says that each has a lower bit more, and the count follows by the last level. */
export const PULSES: readonly number[] = [
  code(131, 74, 25, 8, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1),
  code(58, 93, 60, 23, 7, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1),
  code(43, 51, 46, 33, 24, 16, 11, 8, 6, 3, 3, 3, 2, 1, 1, 2, 1, 2),
  code(17, 52, 71, 57, 31, 12, 5, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1),
  code(6, 21, 41, 53, 49, 35, 21, 11, 6, 3, 2, 2, 1, 1, 1, 1, 1, 1),
  code(7, 14, 22, 28, 29, 28, 25, 20, 17, 13, 11, 9, 7, 5, 4, 4, 3, 10),
  code(2, 5, 14, 29, 42, 46, 41, 31, 19, 11, 6, 3, 2, 1, 1, 1, 1, 1),
  code(1, 2, 4, 10, 19, 29, 35, 37, 34, 28, 20, 14, 8, 5, 4, 2, 2, 2),
  code(1, 2, 2, 5, 9, 14, 20, 24, 27, 28, 26, 23, 20, 15, 11, 8, 6, 15),
  code(1, 1, 1, 6, 27, 58, 56, 39, 25, 14, 10, 6, 3, 3, 2, 1, 1, 2),
];
export const MORE_BITS = 17;
/** Behind so many there are no more: without its first value the last level has no {@link MORE_BITS}. */
export const MOST_BITS = 10;

/** 4.2.7.8.3: how many pulses lie in the first half of 2, 4, 8 and 16 places, by how many there are in all, from 1 to 16. */
export const FIRST_HALF: readonly (readonly number[])[] = [
  [
    0,
    code(128, 128),
    code(42, 172, 42),
    code(21, 107, 107, 21),
    code(12, 60, 112, 61, 11),
    code(8, 34, 86, 86, 35, 7),
    code(8, 23, 55, 90, 55, 20, 5),
    code(5, 15, 38, 72, 72, 36, 15, 3),
    code(6, 12, 27, 52, 77, 47, 20, 10, 5),
    code(6, 19, 28, 35, 40, 40, 35, 28, 19, 6),
    code(4, 14, 22, 31, 37, 40, 37, 31, 22, 14, 4),
    code(3, 10, 18, 26, 33, 38, 38, 33, 26, 18, 10, 3),
    code(2, 8, 13, 21, 29, 36, 38, 36, 29, 21, 13, 8, 2),
    code(1, 5, 10, 17, 25, 32, 38, 38, 32, 25, 17, 10, 5, 1),
    code(1, 4, 7, 13, 21, 29, 35, 36, 35, 29, 21, 13, 7, 4, 1),
    code(1, 2, 5, 10, 17, 25, 32, 36, 36, 32, 25, 17, 10, 5, 2, 1),
    code(1, 2, 4, 7, 13, 21, 28, 34, 36, 34, 28, 21, 13, 7, 4, 2, 1),
  ],
  [
    0,
    code(127, 129),
    code(49, 157, 50),
    code(20, 107, 109, 20),
    code(11, 60, 113, 62, 10),
    code(7, 36, 84, 87, 36, 6),
    code(6, 24, 57, 82, 60, 23, 4),
    code(5, 18, 39, 64, 68, 42, 16, 4),
    code(6, 14, 29, 47, 61, 52, 30, 14, 3),
    code(1, 15, 23, 35, 51, 50, 40, 30, 10, 1),
    code(1, 1, 21, 32, 42, 52, 46, 41, 18, 1, 1),
    code(1, 6, 16, 27, 36, 42, 42, 36, 27, 16, 6, 1),
    code(1, 5, 12, 21, 31, 38, 40, 38, 31, 21, 12, 5, 1),
    code(1, 3, 9, 17, 26, 34, 38, 38, 34, 26, 17, 9, 3, 1),
    code(1, 3, 7, 14, 22, 29, 34, 36, 34, 29, 22, 14, 7, 3, 1),
    code(1, 2, 5, 11, 18, 25, 31, 35, 35, 31, 25, 18, 11, 5, 2, 1),
    code(1, 1, 4, 9, 15, 21, 28, 32, 34, 32, 28, 21, 15, 9, 4, 1, 1),
  ],
  [
    0,
    code(127, 129),
    code(53, 149, 54),
    code(22, 105, 106, 23),
    code(11, 61, 111, 63, 10),
    code(6, 35, 86, 88, 36, 5),
    code(4, 20, 59, 87, 62, 21, 3),
    code(3, 13, 40, 71, 73, 41, 13, 2),
    code(3, 9, 27, 53, 70, 56, 28, 9, 1),
    code(3, 8, 19, 37, 57, 61, 44, 20, 6, 1),
    code(3, 7, 15, 28, 44, 54, 49, 33, 17, 5, 1),
    code(1, 7, 13, 22, 34, 46, 48, 38, 28, 14, 4, 1),
    code(1, 1, 11, 22, 27, 35, 42, 47, 33, 25, 10, 1, 1),
    code(1, 1, 6, 14, 26, 37, 43, 43, 37, 26, 14, 6, 1, 1),
    code(1, 1, 4, 10, 20, 31, 40, 42, 40, 31, 20, 10, 4, 1, 1),
    code(1, 1, 3, 8, 16, 26, 35, 38, 38, 35, 26, 16, 8, 3, 1, 1),
    code(1, 1, 2, 6, 12, 21, 30, 36, 38, 36, 30, 21, 12, 6, 2, 1, 1),
  ],
  [
    0,
    code(126, 130),
    code(56, 142, 58),
    code(25, 101, 104, 26),
    code(12, 60, 108, 64, 12),
    code(7, 35, 84, 87, 37, 6),
    code(4, 20, 59, 86, 63, 21, 3),
    code(3, 12, 38, 72, 75, 42, 12, 2),
    code(2, 8, 25, 54, 73, 59, 27, 7, 1),
    code(2, 5, 17, 39, 63, 65, 42, 18, 4, 1),
    code(1, 4, 12, 28, 49, 63, 54, 30, 11, 3, 1),
    code(1, 4, 8, 20, 37, 55, 57, 41, 22, 8, 2, 1),
    code(1, 3, 7, 15, 28, 44, 53, 48, 33, 16, 6, 1, 1),
    code(1, 2, 6, 12, 21, 35, 47, 48, 40, 25, 12, 5, 1, 1),
    code(1, 1, 4, 10, 17, 27, 37, 47, 43, 33, 21, 9, 4, 1, 1),
    code(1, 1, 1, 8, 14, 22, 33, 40, 43, 38, 28, 16, 8, 1, 1, 1),
    code(1, 1, 1, 1, 13, 18, 27, 36, 41, 41, 34, 24, 14, 1, 1, 1, 1),
  ],
];

/** 4.2.7.8.4. */
export const LOWER_BIT = code(136, 120);

/** 4.2.7.8.5: a pulse is negative so often, by frame type, and by the pulses of the block, 0 to 6 or more. */
const NEGATIVE: readonly (readonly number[])[] = [
  [2, 207, 189, 179, 174, 163, 157],
  [58, 245, 238, 232, 225, 220, 211],
  [1, 210, 190, 178, 169, 162, 152],
  [48, 242, 235, 224, 214, 205, 190],
  [1, 162, 152, 147, 144, 141, 138],
  [8, 203, 187, 176, 168, 161, 154],
];
export const SIGN: readonly (readonly number[])[] = NEGATIVE.map((row) => row.map((negative) => code(negative, 256 - negative)));
export const MOST_PULSES_OF_SIGN = 6;

export const RANGES: readonly number[] = ranges;
