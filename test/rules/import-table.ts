/** DESIGN.md "Folders" as data: which folder may import which, and why. Every folder may also import itself, EVERYWHERE, and main may import everything. */
export type Edge = { from: string; to: string; why: string }

/** What every folder may import. */
export const EVERYWHERE = ['appliance/core', 'bundles/format'] as const

/** Longest prefix wins, so `appliance/api/agent` is apart from `appliance/api`. */
export const FOLDERS = [
  'bundles/openpgp', 'bundles/archive', 'bundles/format', 'bundles/collect', 'bundles/build', 'bundles/roles', 'bundles/sbom', 'bundles/parity',
  'importer/verify', 'importer/unpack', 'importer/stage', 'importer/media', 'importer/scan',
  'mirror/store', 'mirror/npm', 'mirror/pypi', 'mirror/apt', 'mirror/oci', 'mirror/files', 'mirror',
  'appliance/core', 'appliance/model', 'appliance/state', 'appliance/images', 'appliance/plan', 'appliance/execute', 'appliance/operations',
  'appliance/drivers', 'appliance/drivers/sim', 'appliance/drivers/qemu', 'appliance/ci/sim', 'appliance/agent', 'appliance/telemetry', 'appliance/identity',
  'appliance/api/agent', 'appliance/api', 'appliance/cli', 'appliance/main', 'ui/client', 'ui/app',
] as const

export const EDGES: readonly Edge[] = [
  { from: 'bundles/build', to: 'bundles/openpgp', why: 'the builder signs the manifest' },
  { from: 'bundles/build', to: 'bundles/archive', why: 'the builder writes volumes' },
  { from: 'bundles/build', to: 'bundles/parity', why: 'the builder writes parity volumes and rebuilds lost ones' },
  { from: 'bundles/parity', to: 'bundles/archive', why: 'a rebuilt shard is written as the volume that it was' },
  { from: 'importer/verify', to: 'bundles/openpgp', why: 'policy stands over signatures' },
  { from: 'importer/unpack', to: 'bundles/archive', why: 'the confined process parses the archive' },
  { from: 'importer/media', to: 'importer/unpack', why: 'the reader of media stands behind the same filter, and what it reads is taken like any source' },
  { from: 'importer/stage', to: 'importer/verify', why: 'stage goes on from a verified manifest' },
  { from: 'importer/stage', to: 'importer/unpack', why: 'staging runs the confined process' },
  { from: 'importer/stage', to: 'bundles/parity', why: 'a lost volume is written again from what is staged of the others' },
  { from: 'importer/unpack', to: 'bundles/parity', why: 'where the bytes of a shard lie once they are unpacked' },
  { from: 'importer/stage', to: 'mirror/store', why: 'promotion publishes a generation' },
  { from: 'importer/stage', to: 'importer/scan', why: 'what is staged is scanned before anybody can approve it' },
  { from: 'importer/scan', to: 'importer/unpack', why: 'one table of forbidden system calls' },
  { from: 'importer/scan', to: 'mirror/store', why: 'virus definitions are items of the current generation' },
  { from: 'mirror/npm', to: 'mirror/store', why: 'a format implements MirrorFormat over the store' },
  { from: 'mirror/pypi', to: 'mirror/store', why: 'a format implements MirrorFormat over the store' },
  { from: 'mirror/apt', to: 'mirror/store', why: 'a format implements MirrorFormat over the store' },
  { from: 'mirror/oci', to: 'mirror/store', why: 'a format implements MirrorFormat over the store' },
  { from: 'mirror/files', to: 'mirror/store', why: 'a format implements MirrorFormat over the store' },
  { from: 'mirror', to: 'mirror/store', why: 'one plugin gathers the routes of all formats' },
  { from: 'mirror', to: 'mirror/npm', why: 'one plugin gathers the routes of all formats' },
  { from: 'mirror', to: 'mirror/pypi', why: 'one plugin gathers the routes of all formats' },
  { from: 'mirror', to: 'mirror/apt', why: 'one plugin gathers the routes of all formats' },
  { from: 'mirror', to: 'mirror/oci', why: 'one plugin gathers the routes of all formats' },
  { from: 'mirror', to: 'mirror/files', why: 'one plugin gathers the routes of all formats' },
  ...['state', 'images', 'plan', 'execute', 'operations', 'drivers', 'drivers/sim', 'drivers/qemu', 'ci/sim', 'telemetry', 'identity', 'api', 'api/agent', 'cli'].map(part => ({
    from: `appliance/${part}`,
    to: 'appliance/model',
    why: 'the words the parts share',
  })),
  { from: 'appliance/execute', to: 'appliance/plan', why: 'the reconcile loop asks the planner' },
  { from: 'appliance/drivers/sim', to: 'appliance/drivers', why: 'ownership, intent and image folders are read one way by every driver' },
  { from: 'appliance/drivers/qemu', to: 'appliance/drivers', why: 'ownership, intent and image folders are read one way by every driver' },
  { from: 'appliance/telemetry', to: 'appliance/state', why: 'events and audit are kept in SQLite' },
  { from: 'appliance/cli', to: 'ui/client', why: 'most verbs speak HTTP to the appliance' },
  { from: 'ui/app', to: 'ui/client', why: 'the console speaks the typed client' },
]
