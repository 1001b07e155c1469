import { readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import { openBrowser } from '../support/browser.ts'
import { bringBundle, poolDocument } from '../appliance/main/site.ts'
import { buildConsole, firstLoad, openConsoleSite, PASSWORD } from './console-site.ts'
import { handsOn } from './hands.ts'

t.setTimeout(200_000)
/** What a browser loads before the first page is there, gzipped. */
const FIRST_LOAD_BYTES = 300 * 1024
const OWN_PASSWORD = 'correct horse battery'

/** Runs in the page, so it is text: every phase that a cell had on the way to three healthy ones. */
const PHASES_UNTIL_HEALTHY = `(async () => {
  const seen = new Set()
  const look = () => document.querySelectorAll('.cell').forEach(cell => seen.add(cell.dataset.phase))
  new MutationObserver(look).observe(document.body, { subtree: true, childList: true, attributes: true })
  while (document.querySelectorAll('.cell[data-phase=healthy]').length < 3) await new Promise(done => setTimeout(done, 50))
  look()
  return [...seen]
})()`

buildConsole()
const site = await openConsoleSite()
const { appliance } = site
const browser = await openBrowser(appliance.url)
const { page } = browser
page.setDefaultTimeout(20_000)
t.teardown(async () => {
  await browser.close()
  await site.close()
})

const { signIn, signOut, heading, badge, violations, act } = handsOn(page)

await t.test('what a browser loads first is small', async t => {
  const bytes = firstLoad().reduce((sum, file) => sum + gzipSync(readFileSync(file)).length, 0)
  t.comment(`first load: ${bytes} bytes gzipped`)
  t.ok(bytes <= FIRST_LOAD_BYTES, `${bytes} of ${FIRST_LOAD_BYTES} bytes`)
})

await t.test('the first admin signs in with the one-time password and has to choose another', async t => {
  await page.goto(appliance.url)
  t.same(await violations(), [])
  await signIn('admin', 'not the password')
  await page.getByRole('alert').filter({ hasText: 'DD-IDENT-001' }).waitFor()
  await signIn('admin', site.oneTimePassword)
  await page.getByRole('heading', { name: 'Choose a password of your own' }).waitFor()
  t.same(await violations(), [])
  await page.locator('input[name=old]').fill(site.oneTimePassword)
  for (const name of ['new', 'again']) await page.locator(`input[name=${name}]`).fill(OWN_PASSWORD)
  await page.getByRole('button', { name: 'Change and go on' }).click()
  await heading('Home')
})

await t.test('empty pages say how to begin', async t => {
  for (const [path, words] of [['/pools', 'drydock pool create'], ['/imports', 'drydock import run'], ['/images', 'drydock pool apply'], ['/nodes', 'drydock pool apply'], ['/mirrors', 'drydock import run']] as const) {
    await page.goto(`${appliance.url}${path}`)
    await page.locator('.empty code', { hasText: words }).waitFor()
    t.pass(path)
  }
  await signOut()
})

await t.test('an operator brings a bundle, sees the preflight, and cannot approve it', async t => {
  await signIn('ana', PASSWORD)
  await page.goto(`${appliance.url}/imports`)
  await page.locator('input[type=file]').setInputFiles(await bringBundle(site.site))
  await page.getByRole('link', { name: 'demo, sequence 1' }).click()
  await badge('verified')
  for (const words of ['Ana Ruiz', 'Jon Berg', '2 of 2 needed', 'role 4']) await page.getByText(words).first().waitFor()
  t.same(await violations(), [])
  await act('Take it in')
  await badge('awaiting approval')
  t.equal(await page.getByRole('button', { name: 'Approve' }).isDisabled(), true)
  await page.getByText('that is you, so ask somebody else').waitFor()
  await signOut()
})

await t.test('a second person finds it on the first page, approves it, and takes the signed receipt', async t => {
  await page.goto(appliance.url)
  await signIn('paul', PASSWORD)
  await page.getByRole('link', { name: 'Look and decide' }).click()
  await badge('awaiting approval')
  t.same(await violations(), [])
  await act('Approve')
  await badge('imported')
  await page.locator('pre[aria-label=receipt]', { hasText: '"generation"' }).waitFor()
  const [signed] = appliance.services.imports.list()
  const expected = appliance.services.imports.receipt(signed?.id ?? '')
  for (const [name, text] of [['receipt-demo-1.json', expected.receipt], ['receipt-demo-1.json.asc', expected.signature]] as const) {
    const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: `Download ${name}`, exact: true }).click()])
    t.equal(download.suggestedFilename(), name)
    t.equal(readFileSync(await download.path(), 'utf8'), text, 'byte for byte what was signed')
  }
  t.same(await violations(), [])
  await signOut()
})

await t.test('a rollout is applied and watched to healthy without loading the page again', async t => {
  await appliance.services.pools.create(poolDocument({ size: 3, rollout: { maxSurge: 3, maxUnavailable: 0, soak: '0s' } }), 'first', 'ana')
  await page.goto(appliance.url)
  await signIn('ana', PASSWORD)
  await page.goto(`${appliance.url}/pools/linux-demo`)
  await badge('not applied')
  await page.evaluate('globalThis.neverLoadedAgain = true')
  const phases = page.evaluate(PHASES_UNTIL_HEALTHY) as Promise<string[]>
  await act('Apply')
  await badge('rolling out')
  await badge('healthy')
  const seen = await phases
  t.comment(`phases seen: ${seen.join(', ')}`)
  t.ok(seen.includes('healthy') && seen.some(phase => phase !== 'healthy'), 'nodes went through their phases before one\'s eyes')
  await page.locator('.timeline li', { hasText: 'pool.healthy' }).waitFor()
  t.same(await violations(), [])

  await act('Change', { Roles: 'python-3.11\nnumpy-1.26.0', Message: 'numpy 1.26 for the new kernels' })
  await page.getByRole('heading', { name: 'Revision 2 is not applied' }).waitFor()
  await page.getByText('numpy 1.25.2 → 1.26.0').first().waitFor()
  t.same(await violations(), [])
  await act('Apply')
  // An idle node drains in an instant, too short for a cell to be sure to show it; the time line keeps it.
  await page.locator('.timeline li', { hasText: 'drain.node' }).first().waitFor()
  await page.locator('.rows[aria-label=history] tr', { hasText: 'numpy 1.26 for the new kernels' }).getByText('healthy').waitFor()
  await act('Roll back', { 'Type linux-demo': 'linux-demo' })
  await page.locator('.rows[aria-label=history] tr', { hasText: 'is 1 again' }).getByText('healthy').waitFor()
  t.equal(await page.evaluate('globalThis.neverLoadedAgain'), true)
})

await t.test('every page is clean for assistive technology, and reads on a phone', async t => {
  const [node] = appliance.services.nodes.list('linux-demo')
  for (const path of ['/', '/imports', '/mirrors', '/images', '/pools', '/nodes', `/nodes/${node?.name}`, '/events']) {
    await page.goto(`${appliance.url}${path}`)
    await page.locator('.card').first().waitFor()
    await page.waitForLoadState('load')
    t.same(await violations(), [], path)
    await page.setViewportSize({ width: 390, height: 844 })
    t.equal(await page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth'), 0, `${path} is no wider than a phone`)
    await page.setViewportSize({ width: 1280, height: 900 })
  }
})

await t.test('keys go where they say', async t => {
  await page.locator('body').press('g')
  await page.keyboard.press('p')
  await heading('Pools')
  await page.keyboard.press('/')
  await heading('Mirrors')
  t.equal(await page.evaluate('document.activeElement.tagName'), 'INPUT', 'ready to type')
  await page.getByLabel('Search all kinds').fill('numpy 1.26')
  await page.getByText('1 found').waitFor()
  await page.getByRole('link', { name: 'Pools' }).focus()
  await page.keyboard.press('?')
  await page.getByRole('dialog', { name: 'Keys' }).waitFor()
  t.same(await violations(), [])
  await page.keyboard.press('Escape')
})

await t.test('nothing was asked for elsewhere, no policy was violated, no error was shown', async t => {
  t.same(browser.foreignRequests, [])
  // The browser's own words for each answer that is no 2xx: nobody signed in yet, a wrong password.
  t.same(browser.errors.filter(text => !/^Failed to load resource: .* 401 /.test(text)), [])
})

await t.test('when the appliance goes away the console says since when', async () => {
  await page.goto(`${appliance.url}/pools`)
  await page.getByRole('status').getByText('live').waitFor()
  await appliance.close()
  await page.getByRole('status').getByText(/stale since \d\d:\d\d:\d\d/).waitFor()
  await page.getByRole('alert').getByText('has not answered since').waitFor()
  await page.getByRole('link', { name: 'linux-demo' }).waitFor()
})
