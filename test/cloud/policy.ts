import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { ROOT } from '../support/processes.ts';

export interface Statement {
  readonly Sid: string;
  readonly Action: readonly string[];
  readonly Resource: readonly string[];
}

/** The statements of docs/deploy-policy.json: what who deploys may do. */
export async function readDeployPolicy(): Promise<readonly Statement[]> {
  const { Statement } = JSON.parse(await readFile(path.join(ROOT, 'docs/deploy-policy.json'), 'utf8')) as {
    Statement: readonly Statement[];
  };
  return Statement;
}

/** Whether a statement has this action, by a policy's rules: case does not count, `*` stands for any characters. */
export function allows(statements: readonly Statement[], action: string): boolean {
  return statements.some(({ Action }) =>
    Action.some((pattern) => new RegExp(`^${pattern.replaceAll('*', '.*')}$`, 'i').test(action)),
  );
}

/** The statements as the table of docs/DEPLOYING.md. */
export function policyTable(statements: readonly Statement[]): string {
  const code = (texts: readonly string[]) => texts.map((text) => `\`${text}\``).join(', ');
  return [
    '| statement | actions | on |',
    '| --- | --- | --- |',
    ...statements.map(
      ({ Sid, Action, Resource }) =>
        `| \`${Sid}\` | ${code(Action)} | ${code(Resource.map((arn) => arn.replace(/^arn:aws:[a-z0-9]+:\*?:\*?:/, '')))} |`,
    ),
  ].join('\n');
}
