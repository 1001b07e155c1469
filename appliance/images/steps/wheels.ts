import { installWheels } from '../wheel.ts'

/** `wheels.ts FOLDER ROLE VERSION WHEEL…`: installs wheels into a layer's folder, as root of the namespace and with its umask. */
const [folder, role, version, ...wheels] = process.argv.slice(2) as [string, string, string, ...string[]]
process.umask(0o022)
await installWheels(wheels, { role, version }, folder)
