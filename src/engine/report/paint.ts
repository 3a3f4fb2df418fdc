/** Colours of a terminal, or none. */
export interface Paint {
  readonly good: (text: string) => string;
  readonly bad: (text: string) => string;
  readonly notable: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly strong: (text: string) => string;
}

const sgr =
  (code: number, isOn: boolean) =>
  (text: string): string =>
    isOn ? `\u001b[${code}m${text}\u001b[0m` : text;

export const paint = (isOn: boolean): Paint => ({
  good: sgr(32, isOn),
  bad: sgr(31, isOn),
  notable: sgr(33, isOn),
  dim: sgr(2, isOn),
  strong: sgr(1, isOn),
});
