import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import packageJson from '../../package.json' with { type: 'json' }
import { build } from '../api/build.ts'
import { inertServices } from '../api/inert.ts'
import { writeDurably } from '../core/durable-file.ts'
import { typesOf } from '../../ui/client/openapi-types.ts'

/** `node ui/client/generate.ts`: the types of the client, from the OpenAPI document of the server as it is built here. Nothing has to run for it. */
const app = build(inertServices(packageJson.version))
await app.ready()
const folder = join(import.meta.dirname, '../../ui/client/generated')
await mkdir(folder, { recursive: true })
await writeDurably(join(folder, 'paths.ts'), typesOf(app.swagger()), { mode: 0o644 })
await app.close()
