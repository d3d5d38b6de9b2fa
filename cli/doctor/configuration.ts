import { statSync } from 'node:fs';
import type { GivenEnvironment } from '../../host/env-file.ts';
import type { Config, Environment } from '../../lib/config.ts';
import type { ConfigError } from '../../lib/errors.ts';
import type { Scrub } from '../../lib/log.ts';
import { isThisMachine, parseIp } from '../../lib/peers/ip-space.ts';
import { isVariable, variableNames } from '../../lib/variables.ts';
import { visible } from '../../report/text/escape.ts';
import { type Finding, failure, ok, present, warning } from './finding.ts';

/** What to do about a variable, where `.env.example` is not all there is to say. */
const REMEDIES: Readonly<Record<string, string>> = {
  LOCAL_UUID: 'Give it the UUID that your consumer API uses, in .env or exported.',
  REDIS_URL: 'Give it the URL of the Redis that your consumer API uses, in .env or exported.',
  REDIS_TOKEN: 'Copy the REST token (not the read-only one) from the console of your Redis.',
  UPSTASH_REDIS_REST_URL: 'Copy the REST URL from the console of your Redis.',
  UPSTASH_REDIS_REST_TOKEN: 'Copy the REST token (not the read-only one) from the console of your Redis.',
};

/** One finding for each bad variable, after one that says where the variables are from. */
export function configurationFaults({ faults, origin }: ConfigError, scrub: Scrub): Finding[] {
  return [
    ...(origin === undefined ? [] : [ok('config', `read from ${visible(origin)}`)]),
    ...faults.map((fault) => {
      const name = /^[A-Z_]+/.exec(fault)?.[0] ?? '';
      return failure('config', scrub(fault), REMEDIES[name] ?? '.env.example explains each variable.');
    }),
  ];
}

/** What a valid configuration still says about mistakes. */
export function checkConfiguration(config: Config, { env, file }: GivenEnvironment): Finding[] {
  const findings = present([...misspelt(env), openFile(file), unencrypted(config), operators(config)]);
  return findings.length > 0 ? findings : [ok('config', 'every variable is usable')];
}

const MOST_TYPOS = 2;
const LONGEST_NAME = 30;

function misspelt(env: Environment): (Finding | undefined)[] {
  return Object.keys(env).map((name) => {
    if (isVariable(name) || name.length > LONGEST_NAME || !name.includes('_')) return undefined;
    const upper = name.toUpperCase();
    const meant = variableNames().find(
      (variable) => distance(upper, variable) <= MOST_TYPOS || variable === `${upper}_MS`,
    );
    return (
      meant &&
      warning(
        'config',
        `${visible(name)} is set, and is no variable: nothing reads it`,
        `Did you mean ${meant}?`,
      )
    );
  });
}

/** Levenshtein's distance. */
function distance(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > MOST_TYPOS) return MOST_TYPOS + 1;
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

/** The file holds secrets. */
function openFile(file: string | undefined): Finding | undefined {
  if (file === undefined || process.platform === 'win32') return undefined;
  const stats = statSync(file, { throwIfNoEntry: false });
  if (stats === undefined || (stats.mode & 0o004) === 0) return undefined;
  return warning(
    'config',
    `everybody on this machine may read ${visible(file)}`,
    `chmod 600 ${visible(file)}`,
  );
}

function unencrypted({ redis }: Config): Finding | undefined {
  const { protocol, hostname, password } = new URL(redis.url);
  const ip = parseIp(hostname.replace(/^\[|\]$/g, ''));
  const local = hostname === 'localhost' || (ip !== undefined && isThisMachine(ip));
  const secret = protocol === 'http:' || (protocol === 'redis:' && password !== '');
  if (local || !secret) return undefined;
  return warning(
    'config',
    `REDIS_URL is ${protocol}//: what it carries, the ${protocol === 'http:' ? 'token' : 'password'} included, is readable on the way`,
    `Use ${protocol === 'http:' ? 'https' : 'rediss'}://, unless that network is yours alone.`,
  );
}

function operators({ ip }: Config): Finding | undefined {
  const count = new Set(ip.sources.map(({ operator }) => operator)).size;
  if (ip.sources.some(({ kind }) => kind === 'static')) return undefined;
  if (count === 1) {
    return warning(
      'config',
      'IP_SOURCES has one operator: if it is wrong, every producer gets a wrong address',
      'Name sources of three operators or more, or leave IP_SOURCES out.',
    );
  }
  if (ip.quorum < count) return undefined;
  return warning(
    'config',
    `IP_SOURCES has ${count} operators and ${count === 2 ? 'both' : 'all'} must agree: one that is down holds every change up`,
    `Name sources of ${ip.quorum + 1} operators or more.`,
  );
}
