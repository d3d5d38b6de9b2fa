import fc from 'fast-check';
import { NO_ADDRESSES } from './hostile-addresses.ts';
import { SPECIAL_V4, SPECIAL_V6 } from './special-purpose.ts';

/** Any UTF-16 unit, lone surrogates too; fast-check's own `binary` takes seconds to set up. */
export const anyUnit = fc.nat(0xffff).map((code) => String.fromCharCode(code));

/** Any string of up to 40 units. */
export const anyText = fc.string({ unit: anyUnit, maxLength: 40 });

const METADATA = '169.254.169.254';
const ends = [...SPECIAL_V4, ...SPECIAL_V6].flatMap(([, first, last]) => [first, last]);
const odd = Object.values(NO_ADDRESSES)
  .flat()
  .filter((raw): raw is string => typeof raw === 'string' && raw.length < 100);
const v4 = fc.oneof(
  fc.ipV4(),
  fc.ipV4Extended(),
  fc.constantFrom('10.0.0.1', '127.0.0.1', METADATA, '168.63.129.16'),
);
const bare = fc.oneof(v4, fc.ipV6(), fc.constantFrom(...ends), fc.constantFrom(...odd));
const port = fc.oneof(fc.nat(70_000).map(String), fc.constantFrom('9001', '080', '', 'x'));
/** Addresses that may be called, as literals. */
export const callableIp = fc.oneof(
  fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255)).map((rest) => `8.${rest.join('.')}`),
  fc
    .tuple(fc.nat(0xffff), fc.nat(0xffff))
    .map((ends) => `2a00:${ends.map((n) => n.toString(16)).join('::')}`),
);
const callable = fc.oneof(
  callableIp,
  fc
    .tuple(callableIp, fc.integer({ min: 1, max: 65_535 }))
    .map(([ip, at]) => (ip.includes(':') ? `[${ip}]:${at}` : `${ip}:${at}`)),
);
const nearAddress = fc.oneof(
  callable,
  bare,
  fc.tuple(v4, port).map(([ip, at]) => `${ip}:${at}`),
  fc.tuple(fc.ipV6(), port).map(([ip, at]) => `[${ip}]:${at}`),
  fc
    .tuple(fc.constantFrom('::', '::ffff:', '64:ff9b::', '2a00::5efe:'), v4)
    .map(([prefix, ip]) => prefix + ip),
);

/** A text with one change: a unit put in, taken out or replaced. */
export function changed(text: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return fc
    .tuple(text, fc.nat(60), fc.string({ unit: anyUnit, maxLength: 1 }), fc.nat(1))
    .map(([from, at, change, removed]) => from.slice(0, at) + change + from.slice(at + removed));
}

/** Any string, and strings near to addresses: ends of special ranges, odd notations, ports, and one character changed. */
export const addressText = fc.oneof(anyText, callable, nearAddress, nearAddress, changed(nearAddress));

/** What JSON readers stumble over. */
const SNIPPETS = [
  '"',
  '\\',
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  '\0',
  '\ud800',
  '\u2028',
  '1e999',
  '-0',
  'null',
  'true',
]
  .concat([
    '"__proto__":{',
    '"constructor":',
    '0x1',
    '9007199254740993',
    '\\u0000',
    '\ufeff',
    '/*',
    '.5',
    '\n',
  ])
  .concat(['['.repeat(2_000)]);

const mutation = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  removed: fc.oneof(fc.constant(0), fc.nat(8)),
  put: fc.oneof(fc.constantFrom(...SNIPPETS), fc.constant(''), anyUnit),
  again: fc.boolean(),
});

/** A text that was damaged in up to three places: something put in, taken out, or repeated. */
export function damaged(text: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return fc.tuple(text, fc.array(mutation, { maxLength: 3 })).map(([whole, mutations]) =>
    mutations.reduce((from, { at, removed, put, again }) => {
      const cut = Math.floor(at * from.length);
      return from.slice(0, cut) + put + from.slice(again ? Math.max(0, cut - removed) : cut + removed);
    }, whole),
  );
}

/** Values of every JSON type, the awkward ones before all. */
export const nasty: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    true,
    false,
    0,
    -0,
    -1,
    0.5,
    1e308,
    2 ** 53,
    2 ** 53 - 1,
    1e15,
    '',
    ' ',
    '0',
    '1',
  ),
  fc.constantFrom<unknown>('null', '__proto__', [], {}, [[]], { length: 1 }, ['x'], 'x'.repeat(2_000)),
  anyText,
  fc.integer(),
  fc.double(),
);

/** A value, or now and then another in its place. */
export function mostly<T>(valid: fc.Arbitrary<T>): fc.Arbitrary<unknown> {
  return fc.oneof({ weight: 9, arbitrary: valid }, { weight: 1, arbitrary: nasty });
}

/** An object with these fields, of which some are missing and some hold something else, and perhaps others beside them. */
export function nearly(fields: Readonly<Record<string, fc.Arbitrary<unknown>>>): fc.Arbitrary<object> {
  const all = Object.fromEntries(Object.entries(fields).map(([name, valid]) => [name, mostly(valid)]));
  const whole = fc.record(all);
  const partial = fc.record(all, { requiredKeys: [] });
  const extra = fc.dictionary(
    fc.oneof(anyText, fc.constantFrom('constructor', 'toString', 'length')),
    nasty,
    {
      maxKeys: 2,
    },
  );
  return fc.oneof(
    { weight: 4, arbitrary: whole },
    { weight: 3, arbitrary: partial },
    { weight: 1, arbitrary: fc.tuple(partial, extra).map(([a, b]) => ({ ...b, ...a })) },
  );
}

/** The JSON of such an object, whole or damaged; or any text. */
export function jsonNear(value: fc.Arbitrary<unknown>): fc.Arbitrary<string> {
  const json = value.map((each) => JSON.stringify(each) ?? '');
  return fc.oneof(
    { weight: 5, arbitrary: json },
    { weight: 4, arbitrary: damaged(json) },
    { weight: 1, arbitrary: anyText },
  );
}

export const uuid = fc.uuid();
/** A time in the vicinity of `FUZZ_NOW_MS`. */
export const FUZZ_NOW_MS = 1_800_000_000_000;
export const time = fc.integer({ min: FUZZ_NOW_MS - 10 ** 8, max: FUZZ_NOW_MS + 10 ** 5 });
