import { existsSync, readFileSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { ConfigError } from '../../lib/errors.ts';
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

/**
 * Keeps the book in memory and, if `file` is given, in that file: written whole, then put in its place.
 *
 * @throws ConfigError for a file that is there and holds something else, or cannot be read: it would be overwritten.
 */
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
          await writeFile(`${file}.new`, JSON.stringify(Object.fromEntries(records)), { flush: true });
          await rename(`${file}.new`, file);
        });
      return writing;
    },
  };
}

function readRecords(file: string): [Uuid, Held][] {
  return Object.entries(readObject(file)).flatMap(([name, value]): [Uuid, Held][] => {
    const uuid = parseUuid(name);
    const { ip, epoch }: { ip?: unknown; epoch?: unknown } = Object(value);
    const literal = parseIp(ip);
    return uuid && literal && typeof epoch === 'number' ? [[uuid, { ip: literal, epoch }]] : [];
  });
}

function readObject(file: string): object {
  if (!existsSync(file)) return {};
  let records: object | undefined;
  try {
    records = jsonObject(readFileSync(file));
  } catch {
    // Not readable, or no file.
  }
  if (records === undefined)
    throw new ConfigError([`BOOK must name a file of this producer's own (${file})`]);
  return records;
}
