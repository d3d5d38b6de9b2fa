declare const uuidBrand: unique symbol;

/** A UUID in its canonical form: lower case, 8-4-4-4-12. */
export type Uuid = string & { readonly [uuidBrand]: true };

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** The canonical form of `raw`, or undefined if it is no UUID (RFC 9562's text form; any version and variant). */
export function parseUuid(raw: unknown): Uuid | undefined {
  return typeof raw === 'string' && UUID.test(raw) ? (raw.toLowerCase() as Uuid) : undefined;
}
