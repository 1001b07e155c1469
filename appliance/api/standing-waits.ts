import type { HomeView } from './answers.ts'
import type { Services } from './services.ts'

/** Of trust, recalls and time, what nobody but people can move: a backup's old trust, decisions without a second admin, a wrong clock, pools with withdrawn content. */
export async function standingWaits({ trustView, recalls, clockView, decisions }: Pick<Services, 'trustView' | 'recalls' | 'clockView' | 'decisions'>): Promise<HomeView['waiting']> {
  const rows: HomeView['waiting'] = []
  const [trust, known] = await Promise.all([trustView(), recalls()])
  if (trust.behind !== null) {
    rows.push({ subject: 'trust', text: `A backup brought trust version ${trust.version} back, but version ${trust.behind.marked} was in force: no bundle is judged`, hint: 'import the trust bundles since then, or: drydock trust accept', href: '/imports', since: null })
  }
  const clock = clockView()
  if (clock.wrong) rows.push({ subject: 'clock', text: `The machine's clock says ${clock.wall}, before ${clock.floor}: no bundle is judged`, hint: 'correct the clock; when the floor is what is wrong: drydock clock reset --to TIME', href: '/events', since: null })
  for (const { id, says, askedBy, at } of decisions.list()) rows.push({ subject: `decision:${id}`, text: `${askedBy} asks for another admin's word: ${says}`, hint: `drydock decision confirm ${id}`, href: '/events', since: at })
  for (const { id, lifted, severity, hits, at } of known) {
    const pools = hits.filter(({ kind }) => kind === 'pool')
    if (lifted === null) for (const { name, what } of pools) rows.push({ subject: `pool:${name}`, text: `Pool ${name} runs ${what}, withdrawn by recall ${id} (${severity})`, hint: `drydock recall show ${id}; then change the pool's roles and apply`, href: `/pools/${name}`, since: at })
  }
  return rows
}
