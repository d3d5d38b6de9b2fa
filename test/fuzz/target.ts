import fc from 'fast-check';

/** One reader of foreign bytes, under whatever can be thrown at it. */
export interface Target {
  /** What `--only` takes. */
  readonly name: string;
  /** Throws an assertion error for an input that the reader does not bear. */
  readonly property: fc.IRawProperty<unknown>;
  /** Inputs so far, and those of them that the reader took for something: without any the property says nothing. */
  readonly seen: { inputs: number; taken: number };
}

/** Makes a target: `check` gets each input, has to hold for all of them, and answers whether the reader took it. */
export function target<T>(name: string, input: fc.Arbitrary<T>, check: (input: T) => boolean): Target {
  const seen = { inputs: 0, taken: 0 };
  const property = fc.property(input, (each) => {
    seen.inputs += 1;
    if (check(each)) seen.taken += 1;
  });
  return { name, property, seen };
}
