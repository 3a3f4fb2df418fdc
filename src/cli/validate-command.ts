/** `mvctl validate FILE...`: reads files and nothing else; no network, no processes. */
import { Command } from 'commander';
import { EXIT } from '../engine/exit-codes.ts';
import type { CliIo } from './io.ts';
import { checkFile } from './load-playbook.ts';

const EXAMPLES = `
Examples:
  mvctl validate playbooks/online-os-upgrade.yaml
  mvctl validate playbooks/*.yaml --output json`;

export function validateCommand(io: CliIo): Command {
  return new Command('validate')
    .argument('<playbook...>', 'playbook files')
    .option('-o, --output <format>', 'pretty or json', 'pretty')
    .addHelpText('after', EXAMPLES)
    .action((files: readonly string[], { output }: { readonly output: string }) => validateFiles(files, output, io));
}

async function validateFiles(files: readonly string[], output: string, io: CliIo): Promise<void> {
  const { formatDiagnostic, summarize } = await import('../engine/diagnostics/frame.ts');
  const validations = [];
  for (const file of files) validations.push(await checkFile(file));
  const all = validations.flatMap(({ diagnostics }) => diagnostics);
  if (output === 'json') io.stdout.write(`${JSON.stringify(all, null, 2)}\n`);
  else {
    for (const { source, diagnostics } of validations) {
      for (const found of diagnostics) io.stdout.write(`${formatDiagnostic(found, source.text)}\n\n`);
      if (diagnostics.length === 0) io.stdout.write(`${source.file}: ${summarize(diagnostics)}\n`);
    }
    if (all.length > 0) io.stdout.write(`${summarize(all)}\n`);
  }
  if (validations.some(({ playbook }) => playbook === undefined)) io.setExitCode(EXIT.invalid.code);
}
