/** Whether everybody gets its turn: how many rounds an entry of `consumers` has waited for a call. */
export interface Turns {
  /** An entry is at an address from now on. */
  begin(field: string, addressKey: string): void;
  /** As `begin`, unless it is there already. */
  keep(field: string, addressKey: string): void;
  end(field: string): void;
  called(addressKey: string): void;
  /** A round has ended that made all the calls for which it had the time. */
  roundEnds(): void;
  /** It need not be called before now: it is dead, and its time has not come. */
  excuse(field: string): void;
  excuseAll(): void;
  longest(): { readonly field: string; readonly rounds: number } | undefined;
  /** So many rounds may pass: the rest of a pass with its second lap, and a whole one. */
  bound(calls: number): number;
}

export function createTurns(): Turns {
  const waiting = new Map<string, { addressKey: string; rounds: number }>();
  return {
    begin: (field, addressKey) => void waiting.set(field, { addressKey, rounds: 0 }),
    keep(field, addressKey) {
      if (waiting.get(field)?.addressKey !== addressKey) waiting.set(field, { addressKey, rounds: 0 });
    },
    end: (field) => void waiting.delete(field),
    called(addressKey) {
      for (const each of waiting.values()) if (each.addressKey === addressKey) each.rounds = 0;
    },
    roundEnds() {
      for (const each of waiting.values()) each.rounds += 1;
    },
    excuse(field) {
      const each = waiting.get(field);
      if (each !== undefined) each.rounds = 0;
    },
    excuseAll() {
      for (const each of waiting.values()) each.rounds = 0;
    },
    longest() {
      let longest: { field: string; rounds: number } | undefined;
      for (const [field, { rounds }] of waiting) {
        if (longest === undefined || rounds > longest.rounds) longest = { field, rounds };
      }
      return longest;
    },
    bound: (calls) => 3 * (Math.ceil(waiting.size / (calls - 2)) + 1),
  };
}
