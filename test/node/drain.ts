/** Takes all slices at once. */
export function drain<T>(slices: Generator<number, T>): T {
  for (;;) {
    const { done, value } = slices.next();
    if (done === true) return value;
  }
}
