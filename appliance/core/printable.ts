/**
 * Text from outside (names, messages, log lines) as a terminal or a log line may show it. Escaped are C0, DEL and C1 controls
 * (they move the cursor or end the line), bidi and zero-width characters (they make a name look like another), and lone surrogates.
 */
const DANGEROUS = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g

export function printable(text: string): string {
  return text.replace(DANGEROUS, character => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
