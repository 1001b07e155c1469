import t from 'tap'
import { join } from 'node:path'
import { loadConfig } from '../../../appliance/main/inside/config.ts'

await t.test('the site\'s licence lists come from the file, and an entry that can match nothing is refused', async t => {
  const folder = t.testdir({
    'good.yaml': 'dataDir: /srv/drydock\npolicy: { licences: { refuse: [AGPL-*, "text:UNLICENSED"], warn: [GPL-3.0-only] } }\n',
    'typo.yaml': 'dataDir: /srv/drydock\npolicy: { licences: { refuse: [AGPL-3.0-onyl] } }\n',
    'none.yaml': 'dataDir: /srv/drydock\n',
  })
  const load = async (name: string) => await loadConfig({ config: join(folder, name) }, {})
  t.match((await load('good.yaml')).policy.licences, { refuse: ['AGPL-*', 'text:UNLICENSED'], warn: ['GPL-3.0-only'] })
  t.same((await load('none.yaml')).policy.licences, { refuse: [], warn: [] })
  await t.rejects(load('typo.yaml'), { code: 'DD-STATE-017', message: /under policy\.licences\.refuse, found "AGPL-3\.0-onyl"/ })
})
