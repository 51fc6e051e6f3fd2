/** Radix-2 fast Fourier transform of a fixed power-of-two size, in place (Cooley and Tukey, 1965). */
export class Fourier {
  readonly size: number;
  readonly #cos: Float64Array;
  readonly #sin: Float64Array;
  readonly #reversed: Uint32Array;

  constructor(size: number) {
    this.size = size;
    this.#cos = Float64Array.from({ length: size / 2 }, (_, k) => Math.cos((2 * Math.PI * k) / size));
    this.#sin = Float64Array.from({ length: size / 2 }, (_, k) => -Math.sin((2 * Math.PI * k) / size));
    const bits = Math.log2(size);
    this.#reversed = Uint32Array.from({ length: size }, (_, index) => reverseBits(index, bits));
  }

  transform(real: Float64Array, imaginary: Float64Array): void {
    this.#permute(real);
    this.#permute(imaginary);
    for (let half = 1; half < this.size; half *= 2) {
      const step = this.size / (2 * half);
      for (let block = 0; block < this.size; block += 2 * half) {
        for (let k = 0; k < half; k += 1) {
          const cos = this.#cos[k * step]!;
          const sin = this.#sin[k * step]!;
          const a = block + k;
          const b = a + half;
          const re = real[b]! * cos - imaginary[b]! * sin;
          const im = real[b]! * sin + imaginary[b]! * cos;
          real[b] = real[a]! - re;
          imaginary[b] = imaginary[a]! - im;
          real[a] = real[a]! + re;
          imaginary[a] = imaginary[a]! + im;
        }
      }
    }
  }

  #permute(values: Float64Array): void {
    for (let index = 0; index < this.size; index += 1) {
      const other = this.#reversed[index]!;
      if (other > index) [values[index], values[other]] = [values[other]!, values[index]!];
    }
  }
}

function reverseBits(index: number, bits: number): number {
  let reversed = 0;
  for (let bit = 0; bit < bits; bit += 1) if ((index & (1 << bit)) !== 0) reversed |= 1 << (bits - 1 - bit);
  return reversed;
}
