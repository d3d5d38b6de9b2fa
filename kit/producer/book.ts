import { existsSync, readFileSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { parseIp } from '../../lib/peers/ip-space.ts';
import { parseUuid, type Uuid } from '../../lib/peers/uuid.ts';
import { jsonObject } from '../http.ts';

/** The address of one consumer, and the version of it that was believed. */
export interface Held {
  readonly ip: string;
  readonly epoch: number;
}

/** Consumers and their addresses. */
export interface Book {
  readonly size: number;
  get(uuid: Uuid): Held | undefined;
  /** Resolves when the record is kept. Rejects if it could not be written. */
  set(uuid: Uuid, held: Held): Promise<void>;
}

/** Keeps the book in memory and, if `file` is given, in that file: written whole, then put in its place. */
export function openBook(file?: string): Book {
  const records = new Map<Uuid, Held>(file === undefined ? [] : readRecords(file));
  let writing = Promise.resolve();
  return {
    get size() {
      return records.size;
    },
    get: (uuid) => records.get(uuid),
    set(uuid, held) {
      records.set(uuid, held);
      if (file === undefined) return Promise.resolve();
      writing = writing
        .catch(() => undefined)
        .then(async () => {
          await writeFile(`${file}.new`, JSON.stringify(Object.fromEntries(records)));
          await rename(`${file}.new`, file);
        });
      return writing;
    },
  };
}

function readRecords(file: string): [Uuid, Held][] {
  if (!existsSync(file)) return [];
  return Object.entries(jsonObject(readFileSync(file)) ?? {}).flatMap(([name, value]): [Uuid, Held][] => {
    const uuid = parseUuid(name);
    const { ip, epoch }: { ip?: unknown; epoch?: unknown } = Object(value);
    const literal = parseIp(ip);
    return uuid && literal && typeof epoch === 'number' ? [[uuid, { ip: literal, epoch }]] : [];
  });
}
