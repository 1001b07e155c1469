import { AxeBuilder } from '@axe-core/playwright'
import type { Page } from 'playwright-core'

/** What a person does in the console. */
export function handsOn(page: Page) {
  return {
    async signIn(user: string, password: string): Promise<void> {
      await page.locator('input[name=user]').fill(user)
      await page.locator('input[name=password]').fill(password)
      const answered = page.waitForResponse(response => response.url().endsWith('/api/v1/session') && response.request().method() === 'POST')
      await page.getByRole('button', { name: 'Sign in' }).click()
      await answered
    },
    async signOut(): Promise<void> {
      await page.getByRole('button', { name: 'Sign out' }).click()
      await page.locator('input[name=user]').waitFor()
    },
    async heading(name: string): Promise<void> {
      await page.getByRole('heading', { level: 1, name }).waitFor()
    },
    async badge(state: string): Promise<void> {
      await page.locator('.title .state', { hasText: new RegExp(`^${state}$`) }).waitFor()
    },
    /** Acts in the dialogue that a button opens. */
    async act(button: string, fill: Record<string, string> = {}): Promise<void> {
      await page.locator('.does').getByRole('button', { name: button, exact: true }).click()
      const dialogue = page.getByRole('dialog')
      for (const [label, text] of Object.entries(fill)) await dialogue.getByRole('textbox', { name: label }).fill(text)
      await dialogue.getByRole('button', { name: button, exact: true }).click()
      await dialogue.waitFor({ state: 'hidden' })
    },
    /** Each violation as one line; none is what we want. What has nothing to do with colours is looked at in one scheme only. `look` is told the scheme. */
    async violations(look?: (scheme: 'dark' | 'light') => Promise<unknown>): Promise<string[]> {
      const found: string[] = []
      for (const colorScheme of ['dark', 'light'] as const) {
        await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
        await page.locator(`html[data-mantine-color-scheme=${colorScheme}]`).waitFor()
        // One frame, so no second page is needed to gather the findings.
        const axe = new AxeBuilder({ page }).setLegacyMode(true)
        const { violations: broken } = await (colorScheme === 'dark' ? axe.withRules('color-contrast') : axe).analyze()
        found.push(...broken.flatMap(({ id, nodes }) => nodes.map(node => `${colorScheme} ${new URL(page.url()).pathname} ${id}: ${node.target.join(' ')} ${node.failureSummary?.split('\n')[1]?.trim() ?? ''}`)))
        await look?.(colorScheme)
      }
      return found
    },
  }
}
