/** `mvctl validate FILE...`: reads files and nothing else; no network, no processes. */
import { Command, Option } from 'commander';
import { PROFILES, type Profile } from '../engine/diagnostics/codes.ts';
import type { CheckedFile } from '../engine/diagnostics/render-checks-junit.ts';
import { EXIT } from '../engine/exit-codes.ts';
import type { Validation } from '../engine/validate/validate-playbook.ts';
import { checkFile, checkText } from './check-file.ts';
import { CHECK_FORMATS, type CheckTarget, parseCheckOutput, writeChecks } from './check-output.ts';
import { collectFiles } from './collect-files.ts';
import { rewrite } from './files.ts';
import type { CliIo } from './io.ts';

interface ValidateFlags {
  readonly output?: readonly CheckTarget[];
  readonly profile: Profile;
  readonly strict?: boolean;
  readonly fix?: boolean;
}

const EXAMPLES = `
Examples:
  mvctl validate playbooks/online-os-upgrade.yaml
  mvctl validate playbooks 'playbooks/**/*.yaml' --profile basic
  mvctl validate playbooks/*.yaml --strict --output github --output sarif=reports/mvctl.sarif
  mvctl validate playbooks/offline-os-upgrade.yaml --fix

Every finding has a code; mvctl explain CODE says more. A comment silences one that is meant:
  # mvctl-ignore MV0311: the load balancer checks it`;

export function validateCommand(io: CliIo): Command {
  return new Command('validate')
    .argument('<playbook...>', 'files, folders and globs')
    .addOption(
      new Option(
        '-o, --output <format[=path]>',
        `${CHECK_FORMATS.join(', ')}; to standard output or a file; repeatable`,
      ).argParser(parseCheckOutput),
    )
    .addOption(
      new Option('--profile <profile>', 'which checks: each profile has those of the one before')
        .choices(PROFILES)
        .default('standard'),
    )
    .option('--strict', 'warnings fail, too')
    .option('--fix', 'mend what can be mended safely, and say what is left')
    .addHelpText('after', EXAMPLES)
    .action((patterns: readonly string[], flags: ValidateFlags) => validate(patterns, flags, io));
}

async function validate(patterns: readonly string[], flags: ValidateFlags, io: CliIo): Promise<void> {
  const checked: Validation[] = [];
  for (const file of await collectFiles(patterns)) {
    const validation = checkFile(file, flags.profile);
    checked.push(flags.fix ? await mend(validation, flags.profile, io) : validation);
  }
  await writeChecks(checked.flatMap(perFile), flags.output ?? [], io);
  const fails = checked.some(({ isValid, diagnostics }) => !isValid || (flags.strict && diagnostics.length > 0));
  if (fails) io.setExitCode(EXIT.invalid.code);
}

/** A finding in a fragment is told with the fragment, where there is one. */
function perFile({ source, diagnostics, suppressed, texts }: Validation): readonly CheckedFile[] {
  return [...texts].flatMap(([file, text]): readonly CheckedFile[] => {
    const own = diagnostics.filter((found) => found.file === file);
    if (file !== source.file && own.length === 0) return [];
    return [
      { file, text, diagnostics: own, suppressed: suppressed.filter(({ diagnostic }) => diagnostic.file === file) },
    ];
  });
}

/** A fix can make room for another one: a loop, with an end. */
const ROUNDS_MAX = 1_000;

async function mend(validation: Validation, profile: Profile, io: CliIo): Promise<Validation> {
  const { applyFixes } = await import('../engine/diagnostics/apply-fixes.ts');
  const { file, text } = validation.source;
  let current = validation;
  let count = 0;
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const own = current.diagnostics.filter((found) => found.file === file);
    const mended = applyFixes(current.source.text, own);
    if (mended.fixed.length === 0) break;
    current = checkText(file, mended.text, profile);
    count += mended.fixed.length;
  }
  if (current.source.text !== text) {
    rewrite(file, current.source.text);
    io.stderr.write(`${file}: mended ${count} ${count === 1 ? 'finding' : 'findings'}\n`);
  }
  return current;
}
