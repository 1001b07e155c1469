import Type from 'typebox'

const strict = { additionalProperties: false } as const
const Words = Type.Array(Type.String({ minLength: 1, maxLength: 4096 }), { minItems: 1, maxItems: 64 })

/** A scanner of the site's own in `drydock.yaml`. What it is given and what it must answer stands in the README of this folder. */
export const ScannerCommand = Type.Object(
  {
    name: Type.String({ pattern: '^(?!clamav$)[a-z0-9][a-z0-9-]{0,30}$', description: 'a name of small letters, digits and -, other than clamav' }),
    /** The program by its whole path, and its arguments. */
    command: Words,
    /** What prints its version; the first line is kept with each import. */
    version: Type.Optional(Words),
    /** Files and folders beside /usr that it may read: its own program, definitions, licence. */
    reads: Type.Optional(Type.Array(Type.String({ pattern: '^/[^\\0]+$', description: 'a whole path' }), { maxItems: 32 })),
    timeoutSeconds: Type.Optional(Type.Integer({ minimum: 1, maximum: 86_400 })),
    memoryMiB: Type.Optional(Type.Integer({ minimum: 16, maximum: 1_048_576 })),
    scratchMiB: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_048_576 })),
  },
  strict,
)
export type ScannerCommand = Type.Static<typeof ScannerCommand>

/** `auto`: ClamAV is used when Debian's package is installed. */
export const ClamavMode = Type.Union([Type.Literal('auto'), Type.Literal('off')])

/** `auto`: what is here already is looked through when new definitions are promoted. `off`: only when a person asks for it. */
export const ClamavRescan = Type.Union([Type.Literal('auto'), Type.Literal('off')])

export type ScanConfig = { scanners: ScannerCommand[]; clamav: Type.Static<typeof ClamavMode>; clamavMaxAgeDays: number; clamavRescan: Type.Static<typeof ClamavRescan> }
