import { randomBytes } from 'node:crypto'
import { cpSync, createReadStream, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Locator } from 'playwright-core'
import { setTimeout as pause } from 'node:timers/promises'
import t from 'tap'
import { openBrowser } from '../support/browser.ts'
import { bundleOf, person, type Person } from '../support/bundles.ts'
import { recallBundle, recallOf, trustBundle, trustFor } from '../support/control.ts'
import { buildConsole, openConsoleSite, PASSWORD } from './console-site.ts'
import { handsOn } from './hands.ts'

t.setTimeout(200_000)

/** What the scanner knows, one pattern a line; it may learn more. */
const knows = mkdtempSync(join(tmpdir(), 'drydock-knows-'))
writeFileSync(join(knows, 'patterns'), 'INFECTED\n')

/** A scanner whose answers stand in what it scans. */
const ACME = {
  name: 'acme', reads: [knows], version: ['/usr/bin/echo', '7.1'],
  command: ['/usr/bin/bash', '-c', `if grep -rl NO-ANSWER /scan/files >/dev/null; then exit 3; fi; grep -rlf ${knows}/patterns /scan/files | sed "s/$/: Bad.Thing FOUND/"; grep -rl ODD /scan/files | sed "s/$/: Odd WARNING/"; if grep -rqe ODD -f ${knows}/patterns /scan/files; then exit 1; fi`],
}

buildConsole()
const site = await openConsoleSite({ scanners: [ACME] })
const { appliance } = site
const [ana, jon] = site.site.people as [Person, Person]
const browser = await openBrowser(appliance.url)
const { page } = browser
page.setDefaultTimeout(20_000)
const hereAlready = page.getByRole('region', { name: 'What is here already' })
t.teardown(async () => {
  rmSync(knows, { recursive: true, force: true })
  await browser.close()
  await site.close()
})

let sequence = 0
async function bundle(files: Record<string, string | Uint8Array>, volumeBytes?: number): ReturnType<typeof bundleOf> {
  sequence++
  return await bundleOf({ folder: join(site.site.folder, 'media', `made-${sequence}`), files, sequence, signers: site.site.people.map(({ signer }) => signer), ...(volumeBytes === undefined ? {} : { volumeBytes }) })
}

const { signOut, badge, act, violations, heading, ...hands } = handsOn(page)

async function signIn(user: string): Promise<void> {
  await page.goto(appliance.url)
  await hands.signIn(user, PASSWORD)
  await heading('Home')
}

/** Uploads it and opens its page. */
async function upload(file: string): Promise<void> {
  await page.goto(`${appliance.url}/imports`)
  await page.locator('input[type=file]').setInputFiles(file)
  await page.getByRole('link', { name: `demo, sequence ${sequence}` }).click()
}

/** A folder for pictures of every page that is looked at here, for people; without it none are taken. */
const PICTURES = process.env['DRYDOCK_PICTURES']

/** In both schemes, and no wider than a phone. */
async function looksGood(t: { same(a: unknown, b: unknown, what: string): unknown; equal(a: unknown, b: unknown, what: string): unknown }, what: string): Promise<void> {
  t.same(await violations(async scheme => (PICTURES === undefined ? undefined : await page.screenshot({ path: join(PICTURES, `${what}, 1280, ${scheme}.png`), fullPage: true }))), [], what)
  await page.setViewportSize({ width: 390, height: 844 })
  t.equal(await page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth'), 0, `${what} is no wider than a phone`)
  if (PICTURES !== undefined) await page.screenshot({ path: join(PICTURES, `${what}, 390.png`), fullPage: true })
  await page.setViewportSize({ width: 1280, height: 900 })
}

await signIn('ana')

await t.test('the preflight says who will look, and after the scan who looked, at how many files, with what result', async t => {
  await upload((await bundle({ 'notes.txt': 'ODD but harmless\n', 'good.txt': 'good\n' })).file)
  await badge('verified')
  await page.getByText('they look when it is taken in').waitFor()
  await act('Take it in')
  await badge('awaiting approval')
  await page.locator('.rows[aria-label=scanners] tr', { hasText: 'acme 7.1' }).waitFor()
  await page.getByRole('heading', { name: '1 to weigh before it is approved' }).waitFor()
  await page.locator('.rows[aria-label="findings: warning"]', { hasText: 'acme warns of Odd in notes.txt 1' }).waitFor()
  await page.getByText('by ana, as an upload').waitFor()
  await looksGood(t, 'an import that waits')
  await signOut()
})

await t.test('an approver rejects it with a reason, which stays with it', async t => {
  await signIn('paul')
  await page.getByRole('link', { name: 'Look and decide' }).click()
  await badge('awaiting approval')
  await act('Reject', { Reason: 'not what was ordered' })
  await badge('rejected')
  await page.getByRole('alert').filter({ hasText: 'not what was ordered' }).waitFor()
  t.match(appliance.services.imports.get('1'), { state: 'rejected', reason: /not what was ordered/ })
  await looksGood(t, 'a rejected import')
  await signOut()
})

await t.test('what a scanner finds puts it in quarantine: the item is named, and rejecting is all that is left', async t => {
  await signIn('ana')
  await upload((await bundle({ 'evil.txt': 'INFECTED\n', 'good.txt': 'good\n' })).file)
  await badge('verified')
  await act('Take it in')
  await badge('quarantined')
  await page.getByRole('alert').filter({ hasText: 'One finding stops it' }).waitFor()
  await page.locator('.rows[aria-label="findings: blocker"]', { hasText: 'acme found Bad.Thing in evil.txt 1' }).waitFor()
  t.equal(await page.getByRole('button', { name: 'Approve' }).count(), 0)
  await looksGood(t, 'quarantine')
  await signOut()
  await signIn('paul')
  await page.getByText('is in quarantine: acme found Bad.Thing in evil.txt 1').waitFor()
  await page.getByRole('link', { name: 'Look and decide' }).click()
  await act('Reject', { Reason: 'infected' })
  await badge('rejected')
  t.equal(await page.getByText('May it pass?').count(), 0, 'nothing is left to ask')
  await signOut()
})

await t.test('when a scanner gives no answer it fails, says until when the upload is kept, and resumes', async t => {
  await signIn('ana')
  await upload((await bundle({ 'slow.txt': 'NO-ANSWER\n' })).file)
  await badge('verified')
  await act('Take it in')
  await badge('failed')
  await page.getByRole('alert').filter({ hasText: 'DD-IMPORT-023' }).waitFor()
  await page.getByText('What was uploaded is kept until').waitFor()
  await looksGood(t, 'a failed import')
  const { operation } = appliance.services.imports.get('3')
  await act('Resume')
  const again = appliance.services.imports.get('3').operation
  t.not(again, operation, 'it runs again')
  await page.locator('.timeline li', { hasText: 'import.verified' }).waitFor()
  await badge('failed')
  await signOut()
  await signIn('paul')
  await page.goto(`${appliance.url}/imports/3`)
  await act('Reject', { Reason: 'given up' })
  await badge('rejected')
  await signOut()
})

await t.test('a volume that is missing is named, and what waits for it can be given up', async t => {
  await signIn('ana')
  const { volumes } = await bundle({ 'large.bin': randomBytes(3_000_000), 'other.bin': randomBytes(2_000_000) }, 4_000_000)
  t.equal(volumes.length, 2)
  await upload(volumes[0]?.file ?? '')
  await badge('parked')
  await page.getByRole('alert').filter({ hasText: 'volume 2 of 2' }).waitFor()
  await looksGood(t, 'a parked import')
  await signOut()
  await signIn('paul')
  await page.getByText('is parked: missing volume 2 of 2').waitFor()
  await page.getByText('it goes on by itself').waitFor()
  await page.goto(`${appliance.url}/imports/4`)
  await act('Reject', { Reason: 'the second disc is lost' })
  await badge('rejected')
})

await t.test('what lies on a medium is listed and brought with one button; imported, its SBOM and receipt can be taken out', async t => {
  await signOut()
  await signIn('ana')
  cpSync((await bundle({ 'tool.txt': 'a tool\n' })).file, join(site.site.folder, 'media', 'stick-0005.drydock'))
  await page.goto(`${appliance.url}/imports`)
  const row = page.locator('.rows[aria-label^="bundles on"] tr', { hasText: 'stick-0005.drydock' })
  await row.getByRole('button', { name: 'Bring it' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Bring it' }).click()
  await page.getByRole('link', { name: 'demo, sequence 5' }).click()
  await badge('verified')
  await page.getByText('by ana, by its path').waitFor()
  await act('Take it in')
  await badge('awaiting approval')
  await signOut()
  await signIn('paul')
  await page.goto(`${appliance.url}/imports/5`)
  await act('Approve')
  await badge('imported')
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Download sbom-demo-5.cdx.json' }).click()])
  t.match(JSON.parse(readFileSync(await download.path(), 'utf8')), { bomFormat: 'CycloneDX', specVersion: '1.6' })
  await looksGood(t, 'an imported one')

  const left = Array.from({ length: 9 }, (_, k) => join(site.site.folder, 'media', `zz-left-over-${k}.drydock`))
  for (const file of left) writeFileSync(file, 'left over\n')
  await page.goto(`${appliance.url}/imports`)
  const lying = page.locator('.rows[aria-label^="bundles on"] tbody tr')
  await page.getByRole('button', { name: /^Show more \(\d+ left\)$/ }).waitFor()
  t.equal(await lying.count(), 8, 'a folder full of files does not push away what came in')
  t.match(await lying.first().innerText(), /zz-left-over-0/, 'what is done comes last')
  for (const file of left) rmSync(file)
})

await t.test('what is here already is looked through when an operator asks: what was found, who brought it, and how it is withdrawn', async t => {
  await signOut()
  await signIn('ana')
  await page.goto(`${appliance.url}/imports`)
  await hereAlready.getByText('nobody looked through it yet').waitFor()
  writeFileSync(join(knows, 'patterns'), 'INFECTED\na tool\n')
  await hereAlready.getByRole('button', { name: 'Look through it' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Look through it' }).click()
  const row = hereAlready.locator('.rows[aria-label="found in the store"] tr', { hasText: 'acme found Bad.Thing in tool.txt 1' })
  await row.getByText(/drydock recall new --id found-/).waitFor()
  await row.getByRole('link', { name: 'demo, sequence 5' }).waitFor()
  await hereAlready.getByText('looked through').waitFor()
  await looksGood(t, 'found in the store')
  await page.goto(appliance.url)
  await page.locator('.waiting', { hasText: 'acme found Bad.Thing in tool.txt 1' }).getByText(/drydock recall new --id found-/).waitFor()
  await looksGood(t, 'home with a finding')
})

/** Acts in the dialogue that a button of a row opens. */
async function actIn(row: Locator, button: string, fill: Record<string, string> = {}): Promise<void> {
  await row.getByRole('button', { name: button, exact: true }).click()
  const dialogue = page.getByRole('dialog')
  for (const [label, text] of Object.entries(fill)) await dialogue.getByRole('textbox', { name: label }).fill(text)
  await dialogue.getByRole('button', { name: button, exact: true }).click()
  await dialogue.waitFor({ state: 'hidden' })
}

await t.test('a false alarm is said by one person and agreed to by another; it stays listed, with the way back', async t => {
  const row = hereAlready.locator('.rows[aria-label="found in the store"] tr', { hasText: 'acme found Bad.Thing in tool.txt 1' })
  const dismissed = hereAlready.locator('.rows[aria-label="dismissed findings"] tr', { hasText: 'acme found Bad.Thing in tool.txt 1' })
  await page.goto(`${appliance.url}/imports`)
  await actIn(row, 'False alarm', { Reason: 'written here, by ourselves' })
  await row.getByText('You say that it is a false alarm: written here, by ourselves').waitFor()
  t.equal(await row.getByRole('button', { name: 'Agree' }).isDisabled(), true)
  await looksGood(t, 'a false alarm that waits')
  await signOut()
  await signIn('paul')
  await page.locator('.waiting', { hasText: 'ana says that it is a false alarm (written here, by ourselves)' }).waitFor()
  await page.goto(`${appliance.url}/imports`)
  await actIn(row, 'Agree')
  await dismissed.getByText('agreed: paul').waitFor()
  t.equal(await row.count(), 0)
  await looksGood(t, 'a dismissed finding')
  await page.goto(appliance.url)
  await heading('Home')
  t.equal(await page.locator('.waiting', { hasText: 'Bad.Thing' }).count(), 0)
  await signOut()
  await signIn('ana')
  await page.goto(`${appliance.url}/imports`)
  await actIn(dismissed, 'Take it back', { Reason: 'it was not' })
  await row.getByText('Taken back by ana: it was not').waitFor()
  await looksGood(t, 'one that was taken back')
})

await t.test('a look through the store that did not come to its end is gone on with, or begun anew', async t => {
  // What this page shows of a scanner that breaks in the middle; that it breaks and is gone on with: test/importer/scan/rescan.test.ts.
  const { rescans } = appliance.services
  const [last] = rescans.list(1)
  await page.route('**/api/v1/scanners/rescans?limit=1', async route => await route.fulfill({ json: [{ ...last, state: 'failed', endedAt: null, blobs: { done: 1, total: 2 }, rest: [{ of: 'mirrors', generation: 1, since: 0, after: null }], error: { code: 'DD-IMPORT-023', message: 'expected an answer of the scanner acme, found exit 3', hint: '', retryable: true } }] }))
  await page.goto(`${appliance.url}/imports`)
  await hereAlready.getByText('1 of 2 files: expected an answer of the scanner acme, found exit 3').waitFor()
  await hereAlready.getByRole('button', { name: 'Go on' }).waitFor()
  await looksGood(t, 'one that failed')
  await page.unroute('**/api/v1/scanners/rescans?limit=1')
  await hereAlready.getByRole('button', { name: 'Begin anew' }).click()
  await page.getByRole('dialog').getByText('drydock scanner rescan --anew').waitFor()
  await page.getByRole('dialog').getByRole('button', { name: 'Begin anew' }).click()
  await page.getByRole('dialog').waitFor({ state: 'hidden' })
  // Its record is there once its scanners have said who they are.
  for (let waited = 0; rescans.list(1)[0]?.id === last?.id && waited < 20_000; waited += 50) await pause(50)
  t.not(rescans.list(1)[0]?.id, last?.id)
  await hereAlready.getByRole('button', { name: 'Look through it' }).waitFor()
  await signOut()
  await signIn('paul')
})

await t.test('a recall says what it withdraws and what of it is here, before anybody agrees', async t => {
  const recall = recallOf({ id: 'rc-1', reason: 'tool.txt sends the sources away', items: ['file:tool.txt@*', 'npm:left-pad@1.3.0'], replacement: 'tool.txt 2' })
  const { file } = await recallBundle(join(site.site.folder, 'recall'), [recall], [ana.signer])
  await appliance.services.imports.submitStream(createReadStream(file), 'recall.drydock', { actor: 'ana', idempotencyKey: 'recall' })
  await page.goto(`${appliance.url}/imports`)
  await page.getByRole('link', { name: 'recall, sequence 1' }).click()
  await badge('awaiting approval')
  await page.getByRole('heading', { name: 'Withdraws rc-1' }).waitFor()
  await page.locator('.rows[aria-label="what is hit"] tr', { hasText: 'file:tool.txt@1' }).waitFor()
  await looksGood(t, 'a recall')
  await act('Approve')
  await badge('imported')
  await page.goto(`${appliance.url}/imports`)
  await hereAlready.getByText('withdrawn by recall rc-1').waitFor()
})

await t.test('a trust bundle shows keys and thresholds before and after; one that came by itself asks first for a person who answers for it', async t => {
  const kim = await person('Kim Vale')
  const { file } = await trustBundle(join(site.site.folder, 'trust'), trustFor(2, { root: [ana, jon], release: [ana, jon, kim], recall: [jon] }, { release: 1 }), [ana.signer, jon.signer])
  await appliance.services.imports.submitStream(createReadStream(file), 'trust.drydock', { actor: 'drydock:media', idempotencyKey: 'trust' })
  await page.goto(`${appliance.url}/imports`)
  await page.getByRole('link', { name: 'trust, sequence 2' }).click()
  await badge('awaiting approval')
  await page.locator('.rows[aria-label="keys that change"] tr', { hasText: 'Kim Vale' }).getByText('added').waitFor()
  await page.locator('.rows[aria-label="roles that change"] tr', { hasText: 'release' }).getByText('2 → 1').waitFor()
  await page.getByText('A person has to answer for it first, then 2 others approve').waitFor()
  await looksGood(t, 'a change of trust')
  await act('Answer for it')
  await page.getByText('that is you, so ask somebody else').waitFor()
  t.equal(await page.getByRole('button', { name: 'Approve' }).isDisabled(), true)
  await act('Reject', { Reason: 'nobody told us' })
  await badge('rejected')
})

await t.test('the list shows how each came', async t => {
  await page.goto(`${appliance.url}/imports`)
  await page.locator('.rows[aria-label=imports] tr', { hasText: 'demo, sequence 4' }).getByText('as an upload').waitFor()
  await looksGood(t, 'the list')
})

await t.test('nothing was asked for elsewhere, and no error was shown', async t => {
  t.same(browser.foreignRequests, [])
  t.same(browser.errors.filter(text => !/^Failed to load resource: .* 401 /.test(text)), [])
})
