/**
 * Text from outside (names, messages, log lines) as a terminal or a log line may show it. Escaped are control characters
 * (they move the cursor or end the line), formatting ones such as bidi and zero width (they make a name look like another),
 * line separators, and lone surrogates.
 */
const DANGEROUS = /[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu

export function printable(text: string): string {
  return text.replace(DANGEROUS, character => {
    const hex = character.codePointAt(0)!.toString(16)
    return hex.length > 4 ? `\\u{${hex}}` : `\\u${hex.padStart(4, '0')}`
  })
}
