/**
 * JUnit XML as CI systems read it: the dialect that satisfies both published schemas, that of Ant's junitreport
 * (JUnit.xsd) and that of Jenkins (junit-10.xsd): every attribute the first one asks for, none the second one refuses.
 */

export interface JunitCase {
  readonly name: string;
  /** Groups cases, e.g. the file or the phase. */
  readonly className: string;
  readonly timeMs: number;
  readonly verdict:
    | { readonly kind: 'passed' }
    | { readonly kind: 'skipped'; readonly message: string }
    /** `failure`: what was tested is wrong; `error`: it could not be tested. */
    | {
        readonly kind: 'failure' | 'error';
        /** A code, e.g. MV0301. */
        readonly type: string;
        readonly message: string;
        /** Free text, e.g. a frame. */
        readonly details?: string;
      };
}

export interface JunitSuite {
  readonly name: string;
  /** ISO 8601. */
  readonly startedAt: string;
  readonly cases: readonly JunitCase[];
}

/** Groups all suites of one call; the schemas want one. */
const PACKAGE = 'mvctl';
/** The schemas want the name of a computer, which would make each computer's document another. */
const HOSTNAME = 'localhost';

export function junitXml(suites: readonly JunitSuite[]): string {
  return `${['<?xml version="1.0" encoding="UTF-8"?>', '<testsuites>', ...suites.flatMap(suiteLines), '</testsuites>'].join('\n')}\n`;
}

function suiteLines({ name, startedAt, cases }: JunitSuite, id: number): readonly string[] {
  const count = (kind: JunitCase['verdict']['kind']): number =>
    cases.filter(({ verdict }) => verdict.kind === kind).length;
  const totalMs = cases.reduce((sum, { timeMs }) => sum + timeMs, 0);
  const attributes = attributesOf({
    package: PACKAGE,
    id: String(id),
    name,
    timestamp: startedAt.slice(0, 'YYYY-MM-DDTHH:MM:SS'.length),
    hostname: HOSTNAME,
    tests: String(cases.length),
    failures: String(count('failure')),
    errors: String(count('error')),
    // The oldest schema does not know it.
    ...(count('skipped') > 0 ? { skipped: String(count('skipped')) } : {}),
    time: seconds(totalMs),
  });
  return [
    `  <testsuite ${attributes}>`,
    '    <properties>',
    `      <property ${attributesOf({ name: 'tool', value: PACKAGE })}/>`,
    '    </properties>',
    ...cases.flatMap(caseLines),
    '    <system-out/>',
    '    <system-err/>',
    '  </testsuite>',
  ];
}

function caseLines({ name, className, timeMs, verdict }: JunitCase): readonly string[] {
  const open = `    <testcase ${attributesOf({ classname: className, name, time: seconds(timeMs) })}`;
  switch (verdict.kind) {
    case 'passed':
      return [`${open}/>`];
    case 'skipped':
      // Only text fits every schema.
      return [`${open}>`, `      <skipped>${escapeXml(verdict.message)}</skipped>`, '    </testcase>'];
    default: {
      const { kind, type, message, details = '' } = verdict;
      const text = escapeXml(details === '' ? message : details);
      return [`${open}>`, `      <${kind} ${attributesOf({ type, message })}>${text}</${kind}>`, '    </testcase>'];
    }
  }
}

const seconds = (ms: number): string => (ms / 1e3).toFixed(3);

const attributesOf = (attributes: { readonly [name: string]: string }): string =>
  Object.entries(attributes)
    .map(([name, value]) => `${name}="${escapeXml(value).replaceAll('\n', '&#10;').replaceAll('\t', '&#9;')}"`)
    .join(' ');

/** Characters that XML 1.0 cannot hold, not even as references (section 2.2, "Characters"). */
const NOT_XML = /[^\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/gu;

/** Text for XML and HTML, in an element or in an attribute between double quotes. */
export const escapeXml = (text: string): string =>
  text
    .replaceAll(NOT_XML, '\ufffd')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
