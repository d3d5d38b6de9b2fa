/**
 * `text` without what could steer a terminal or hide in it: control and formatting characters, line separators, what is
 * unassigned, and halves of surrogate pairs become escapes like `\u{1b}`.
 */
export function clean(text: string): string {
  return text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, escaped);
}

/**
 * What a stranger or Redis gave, in printable ASCII and at most `max` columns: everything else, and the backslash, becomes
 * an escape, and what is too long ends in `…`.
 */
export function visible(text: string, max = 60): string {
  // Nothing gets shorter by being escaped, so more than this need not be looked at.
  const escapedText = text.slice(0, max + 1).replace(/[^\x20-\x7e]|\\/gu, escaped);
  return escapedText.length <= max ? escapedText : `${escapedText.slice(0, max - 1)}…`;
}

/** JSON of two-space indent whose text is as harmless as `clean` makes it, and means the same. */
export function harmlessJson(value: unknown, indent = 2): string {
  return JSON.stringify(value, undefined, indent).replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (found) =>
    found === '\n' ? found : utf16(found),
  );
}

function escaped(character: string): string {
  return character === '\\' ? '\\\\' : `\\u{${character.codePointAt(0)?.toString(16)}}`;
}

function utf16(text: string): string {
  return Array.from(
    { length: text.length },
    (_, i) => `\\u${text.charCodeAt(i).toString(16).padStart(4, '0')}`,
  ).join('');
}
