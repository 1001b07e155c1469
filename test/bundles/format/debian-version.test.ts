import t from 'tap'
import { runProgram } from '../../../appliance/core/run-program.ts'
import { compareVersions } from '../../../bundles/format/debian-version.ts'

const versions = ['1.0', '1.0~rc1', '1.0-1', '1.0-1+b1', '1:0.9', '1.0.1', '1.10', '1.9', '2.36-9+deb12u14', '2.36-9+deb12u9', '6.1.192-2', '3.11.2-6', '1.0a', '1.0+', '0', '00', '1.26.0', '1.25.2']

await t.test('every pair is ordered as dpkg orders it', async t => {
  for (const a of versions) {
    for (const b of versions) {
      const { code } = await runProgram('dpkg', { args: ['--compare-versions', a, 'lt', b], accept: [0, 1] })
      t.equal(compareVersions(a, b) < 0, code === 0, `${a} lt ${b}`)
    }
  }
})
