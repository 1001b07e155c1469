import packageJson from '../../../package.json' with { type: 'json' }

/** What this build is. Trusted time never falls below `date`; it is raised with each release. */
export const BUILD = { version: packageJson.version, date: new Date('2026-11-01T00:00:00Z') } as const
