import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';

/** The path of a command on this machine, or undefined. */
export async function findTool(name: string): Promise<string | undefined> {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const path = join(folder, name);
    const found = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return path;
  }
  return undefined;
}
