/** HTML and SVG as values: text that is put in is escaped, markup that is put in is not. */
import { escapeXml } from '../junit-xml.ts';

export class Markup {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

type Part = Markup | string | number | null | false | readonly Part[];

/** null and false leave nothing behind. */
export function markup(literals: TemplateStringsArray, ...parts: readonly Part[]): Markup {
  return new Markup(literals.reduce((text, literal, index) => text + render(parts[index - 1]!) + literal));
}

function render(part: Part): string {
  if (part instanceof Markup) return part.text;
  if (part === null || part === false) return '';
  if (Array.isArray(part)) return part.map(render).join('');
  return escapeXml(String(part));
}
