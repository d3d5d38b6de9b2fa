/**
 * The checks of the variables: each takes the text and answers its value, or says what was expected. No message carries
 * a text that may be a secret.
 */
import { readFileSync } from 'node:fs';
import * as v from 'valibot';
import { parseSource, type SourceSpec } from './ip/source-spec.ts';
import { isNeverDialled } from './peers/address.ts';
import {
  type Cidr,
  type Ip,
  type IpFamily,
  isDialledFrom,
  isThisMachine,
  parseCidr,
  parseIp,
} from './peers/ip-space.ts';
import { parseSigningKey, type SigningKey } from './peers/signing.ts';
import { parseUuid, type Uuid } from './peers/uuid.ts';
import { parseRedisUrl, percentDecoded } from './redis/url.ts';

/**
 * What is wrong with a value whatever variable it is for: what a shell, a container tool or an editor left in it. Such a
 * value would be another one than was meant.
 */
export function strayPart(value: string): string | undefined {
  if (/^["'`]|["'`]$/.test(value)) {
    return 'is in quotes, and they count as a part of the value: write it without them (container tools keep quotes)';
  }
  if (/\p{Cc}/u.test(value)) return 'holds a control character, such as a line end';
  if (value.trim() !== value) return 'has white space around it';
  if (/\$\{/.test(value)) return 'holds ${…}, which nothing replaces: write the value itself';
  return undefined;
}

export const whole = (min: number, max: number) =>
  v.pipe(
    v.string(),
    v.check(
      (text) => /^\d{1,15}$/.test(text) && Number(text) >= min && Number(text) <= max,
      `must be a whole number from ${min} to ${max}`,
    ),
    v.transform(Number),
  );

/** One of `choices`, in any case of its letters. */
export const choice = <const Choice extends string>(choices: readonly Choice[]) =>
  parsed<Choice>((text) => {
    const chosen = choices.find((one) => one.toLowerCase() === text.toLowerCase());
    return chosen ?? { fault: `must be one of ${choices.join(', ')}` };
  });

export const uuid = parsed<Uuid>(
  (text) => parseUuid(text) ?? { fault: 'must be a UUID like 1b4e28ba-2fa1-4d3b-a3f5-ef19b5a7633b' },
);

export const redisUrl = parsed<string>((text) => {
  const target = parseRedisUrl(text);
  return 'fault' in target ? { fault: target.fault } : text;
});

export const restToken = parsed<string>((text) =>
  isWord(text) ? text : { fault: 'must be the REST token, without spaces or line ends' },
);

/** A secret that a person chose. */
export const secretWord = (min: number) =>
  parsed<string>((text) =>
    isWord(text) && text.length >= min
      ? text
      : { fault: `must be at least ${min} printable ASCII characters, without spaces` },
  );

export const prefix = parsed<string>((text) =>
  isWord(text) && text.length <= 100 ? text : { fault: 'must be 1 to 100 printable ASCII characters' },
);

export const family = parsed<IpFamily>((text) =>
  text === '4' ? 4 : text === '6' ? 6 : { fault: 'must be 4 or 6' },
);

/** The content of a file in PEM. */
export const pemFile = parsed<string>((path) => {
  try {
    const content = readFileSync(path, 'utf8');
    return content.includes('-----BEGIN ') ? content : { fault: 'must name a file in PEM (-----BEGIN …)' };
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
    return { fault: `must name a file that can be read (${code})` };
  }
});

export const url = parsed<URL>((text) => {
  if (!/^https?:\/\//i.test(text) || !URL.canParse(text)) {
    return { fault: 'must be a URL that starts with https:// or http://' };
  }
  const { username, password } = new URL(text);
  return percentDecoded(username + password) === undefined
    ? { fault: 'has a "%" in user or password that must be percent-encoded as %25' }
    : new URL(text);
});

export const bindAddress = parsed<Ip>((text) => {
  const ip = parseIp(text);
  if (ip === undefined) return { fault: 'must be an IP address of this machine, without port or zone' };
  if (ip === '::' || ip === '0.0.0.0') return { fault: 'must be one address; leave it empty for any' };
  if (!isDialledFrom(ip)) return { fault: 'must be a unicast address, and no link-local one' };
  return ip;
});

/** Where the status page listens. */
export interface PageAddress {
  readonly address: Ip;
  readonly port: number;
  readonly loopback: boolean;
}

/** `8090` (on 127.0.0.1), `127.0.0.1:8090` or `[::]:8090`. */
export const pageAddress = parsed<PageAddress>((text) => {
  const [, v6, v4, digits] = /^(?:(?:\[([^\]]*)\]|([^:]*)):)?(\d{1,5})$/.exec(text) ?? [];
  const ip = parseIp(v6 ?? v4 ?? '127.0.0.1');
  const port = Number(digits);
  if (ip === undefined || !(port >= 1 && port <= 65_535) || (v6 !== undefined) !== ip.includes(':')) {
    return { fault: 'must be a port, or an address and a port: 8090, 127.0.0.1:8090, [::]:8090' };
  }
  return { address: ip, port, loopback: ip !== '::' && ip !== '0.0.0.0' && isThisMachine(ip) };
});

/** What makes a host check its address at once. */
export interface Hints {
  readonly interface: boolean;
  readonly gateway: boolean;
}

export const hints = parsed<Hints>((text) => {
  const names = list(text);
  const known = names.every((name) => name === 'interface' || name === 'gateway');
  if (text !== 'none' && (!known || names.length === 0)) {
    return { fault: 'must be interface, gateway, both with a comma between, or none' };
  }
  return { interface: names.includes('interface'), gateway: names.includes('gateway') };
});

const network = (entry: string, place: string) =>
  parseCidr(entry) ?? { fault: `must be a comma list of networks like 10.0.0.0/8; ${place} is none` };

export const cidrs = parsedList<Cidr>(network);

/** Networks of peers: each has addresses that may be called. */
export const peerCidrs = parsedList<Cidr>((entry, place) => {
  const range = network(entry, place);
  if ('fault' in range || !isNeverDialled(range)) return range;
  return {
    fault:
      `must name networks whose addresses may be called; ${place} never is: it is link-local, a metadata service, ` +
      'or IPv4 inside IPv6 (name the IPv4 network itself)',
  };
});

/** Two keys are for a rotation: peers accept either until they all know the new one. */
const MOST_SIGNING_KEYS = 2;

export const signingKeys = parsed<readonly SigningKey[]>((text) => {
  const entries = list(text);
  const keys = entries.map(parseSigningKey).filter((key) => key !== undefined);
  const wanted = text === '' || entries.length > 0;
  return wanted && keys.length === entries.length && keys.length <= MOST_SIGNING_KEYS
    ? keys
    : { fault: 'must be one key like whsk_… (npm run keygen makes it), or two with a comma between' };
});

export const sources = v.pipe(
  parsedList<SourceSpec>((entry, place) => {
    const source = parseSource(entry);
    if (!('fault' in source)) return source;
    return {
      fault: `must be a comma list of https://…, dns:<hostname>, or static:<ip> alone; ${place} ${source.fault}`,
    };
  }),
  v.minLength(1, 'must name at least one source'),
  v.check(
    (specs) => specs.length === 1 || specs.every(({ kind }) => kind !== 'static'),
    'must name static:<ip> alone, without other sources',
  ),
);

interface Fault {
  readonly fault: string;
}

/** A text that `parse` reads, or whose fault it tells. */
function parsed<Value>(parse: (text: string) => Value | Fault) {
  return v.pipe(
    v.string(),
    v.rawTransform<string, Value>(({ dataset, addIssue, NEVER }) => {
      const value = parse(dataset.value);
      if (!isFault(value)) return value;
      addIssue({ message: value.fault });
      return NEVER;
    }),
  );
}

/** A comma list whose entries `parse` reads. A fault tells the place of its entry, and never the entry, which may hold a secret. */
function parsedList<Value>(parse: (entry: string, place: string) => Value | Fault) {
  return v.pipe(
    v.string(),
    v.rawTransform<string, readonly Value[]>(({ dataset, addIssue }) =>
      list(dataset.value).flatMap((entry, i) => {
        const value = parse(entry, `entry ${i + 1}`);
        if (!isFault(value)) return [value];
        addIssue({ message: value.fault });
        return [];
      }),
    ),
  );
}

function isFault(value: unknown): value is Fault {
  return typeof value === 'object' && value !== null && 'fault' in value;
}

function list(text: string): readonly string[] {
  return text
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '');
}

function isWord(text: string): boolean {
  return /^[\x21-\x7e]+$/.test(text);
}
