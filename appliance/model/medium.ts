import Type from 'typebox'

const strict = { additionalProperties: false } as const
const Text = Type.String()
const Maybe = Type.Union([Text, Type.Null()])

/** What became of a bundle on a medium: `waiting` is for a person, another volume or another bundle. */
export const BUNDLE_STATES = ['new', 'importing', 'waiting', 'done', 'refused', 'failed'] as const

/** A medium that is plugged in, or a folder that bundles are read from. Names are the medium's own words, escaped. */
export const MediumView = Type.Object(
  {
    /** `sdb`, or the path of a folder. */
    id: Text,
    kind: Type.Enum(['removable', 'watch-folder', 'media-root'] as const),
    label: Maybe,
    fileSystem: Maybe,
    serial: Maybe,
    /** Bytes of the medium. */
    size: Type.Union([Type.Integer(), Type.Null()]),
    state: Type.Enum(['reading', 'ready', 'unreadable'] as const),
    why: Maybe,
    hint: Maybe,
    bundles: Type.Array(
      Type.Object(
        {
          name: Text,
          /** What `import run --on-appliance` takes. */
          source: Text,
          size: Type.Integer(),
          state: Type.Enum(BUNDLE_STATES),
          /** The import that it belongs to, its verified sequence, and which volume it is. */
          import: Maybe,
          sequence: Type.Union([Type.Integer(), Type.Null()]),
          volume: Type.Union([Type.Integer(), Type.Null()]),
          why: Maybe,
        },
        strict,
      ),
    ),
  },
  strict,
)
export type MediumView = Type.Static<typeof MediumView>
