import t from 'tap'
import { BAKER, stepsDigest } from '../../../appliance/images/baker.ts'

/**
 * What each baker's steps were. When this fails: if the steps now make other bytes of the same lock, raise BAKER (old locks are then resolved anew) and add
 * a line; if they provably make the same bytes, replace the line.
 */
const STEPS: Record<number, string> = {
  1: 'sha256:f15247745a2783dec269b7cf2df18d3f2326b641ae88c25b2c2a78dce04f55ae',
}

await t.test('the steps are those that this baker’s number stands for', async t => {
  t.equal(await stepsDigest(), STEPS[BAKER])
})
