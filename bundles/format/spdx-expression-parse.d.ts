declare module 'spdx-expression-parse' {
  /** The tree of an SPDX licence expression (SPDX 3.0, annex on licence expressions). */
  type Expression = { license: string; plus?: true; exception?: string } | { conjunction: 'and' | 'or'; left: Expression; right: Expression }
  /** Throws when the text is no expression over ids of the SPDX list. */
  function parse(text: string): Expression
  export = parse
}
