/** A promotion that ends itself with SIGKILL at a named point: `node promote-child.ts DATA ITEMS POINT`. */
import { DatabaseSync } from 'node:sqlite'
import { openStore } from '../../../mirror/store/open.ts'
import { toyFormat } from './toy-format.ts'

const [dataDir = '', items = '0', point = 'none'] = process.argv.slice(2)
const at = (here: string): void => {
  if (here === point) process.kill(process.pid, 'SIGKILL')
}

const exec = DatabaseSync.prototype.exec
DatabaseSync.prototype.exec = function (sql) {
  const promoting = begun && sql === 'COMMIT'
  if (promoting) at('in transaction')
  exec.call(this, sql)
  if (promoting) at('after commit')
}
let begun = false

let rendered = 0
const { blobs, catalogue, close } = await openStore({ dataDir, formats: [toyFormat(() => at(`render ${rendered++}`))] })
const digest = await blobs.put('content')
const batch = blobs.batch.bind(blobs)
blobs.batch = () => {
  const real = batch()
  return {
    ...real,
    async commit() {
      at('before sync')
      await real.commit()
      at('after rename')
    },
  }
}
begun = true
await catalogue.promote({
  operation: 'import-1',
  items: Array.from({ length: Number(items) }, (_, n) => ({ kind: 'file' as const, name: `file-${n}`, version: '1', metadata: {}, blobs: [{ name: 'file', digest, size: 7 }], source: `pkg:generic/file-${n}@1` })),
})
close()
