/**
 * `# mvctl-ignore CODE, CODE: reason` silences findings on its line or, standing alone, on the line of content below it.
 * MV0501 to MV0503 are about such comments themselves.
 */
import { CODES, type DiagnosticCode } from '../diagnostics/codes.ts';
import { type Diagnostic, type Suppressed, severityOf } from '../diagnostics/diagnostic.ts';
import { didYouMean } from '../diagnostics/suggest.ts';

interface Ignore {
  readonly line: number;
  readonly col: number;
  readonly endCol: number;
  /** The line it speaks of. */
  readonly target: number;
  readonly codes: readonly string[];
  readonly reason: string;
}

export interface Judged {
  readonly diagnostics: readonly Diagnostic[];
  readonly suppressed: readonly Suppressed[];
}

const MARK = 'mvctl-ignore';
const COMMENT = /(?:^|\s)(#\s*mvctl-ignore\b(.*))$/;
const FORM = /^\s+(MV\d{4}(?:\s*,\s*MV\d{4})*)\s*:\s*(\S.*)$/;

export function applyIgnores(file: string, text: string, found: readonly Diagnostic[]): Judged {
  if (!text.includes(MARK)) return { diagnostics: found, suppressed: [] };
  const ignores = ignoresOf(text);
  const suppressed: Suppressed[] = [];
  const used = new Set<string>();
  const diagnostics = found.filter((diagnostic) => {
    if (diagnostic.file !== file || !CODES[diagnostic.code].isIgnorable) return true;
    const ignore = ignores.find(
      ({ target, codes, reason }) =>
        reason !== '' && target === diagnostic.place.line && codes.includes(diagnostic.code),
    );
    if (!ignore) return true;
    used.add(`${ignore.line}:${diagnostic.code}`);
    suppressed.push({ diagnostic, reason: ignore.reason });
    return false;
  });
  const own = ignores.flatMap((ignore) => judge(file, ignore, used));
  return { diagnostics: [...diagnostics, ...own], suppressed };
}

function ignoresOf(text: string): readonly Ignore[] {
  const lines = text.split('\n');
  return lines.flatMap((line, index): readonly Ignore[] => {
    const comment = COMMENT.exec(line.trimEnd());
    if (!comment) return [];
    const form = FORM.exec(comment[2]!);
    const col = line.indexOf(comment[1]!) + 1;
    const isAlone = line.slice(0, col - 1).trim() === '';
    return [
      {
        line: index + 1,
        col,
        endCol: col + comment[1]!.length,
        target: isAlone ? nextContent(lines, index) : index + 1,
        codes: form ? form[1]!.split(',').map((code) => code.trim()) : [],
        reason: form ? form[2]! : '',
      },
    ];
  });
}

/** Number of the first line below that is neither blank nor a comment. */
function nextContent(lines: readonly string[], from: number): number {
  const below = lines.findIndex((line, index) => index > from && !/^\s*(?:#.*)?$/.test(line));
  return below + 1;
}

function judge(file: string, ignore: Ignore, used: ReadonlySet<string>): readonly Diagnostic[] {
  const { line, col, endCol, codes, reason } = ignore;
  const at = (code: DiagnosticCode, message: string, hint: string): Diagnostic => ({
    code,
    severity: severityOf(code),
    message,
    hint,
    file,
    place: { line, col, endLine: line, endCol },
  });
  if (reason === '') {
    const hint = 'say what is ignored and why it is right here: # mvctl-ignore MV0311: checked by the load balancer';
    return [at('MV0501', 'expected # mvctl-ignore CODE: reason', hint)];
  }
  return codes.flatMap((code): readonly Diagnostic[] => {
    const row = CODES[code as DiagnosticCode];
    if (!row) {
      return [at('MV0503', `no check ${code} exists`, didYouMean(code, Object.keys(CODES)) ?? 'see docs/checks.md')];
    }
    if (!row.isIgnorable) return [at('MV0503', `${code} cannot be ignored: ${row.title}`, 'mend it, and remove this')];
    if (used.has(`${line}:${code}`)) return [];
    return [at('MV0502', `nothing on line ${ignore.target} is ${code}`, 'remove it')];
  });
}
