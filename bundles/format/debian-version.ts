/** Orders versions as dpkg does (Debian Policy, 5.6.12): epoch, upstream version, revision; `~` sorts before everything, even the end. */
export function compareVersions(a: string, b: string): number {
  const [epochA, upstreamA, revisionA] = parts(a)
  const [epochB, upstreamB, revisionB] = parts(b)
  return epochA - epochB || compareText(upstreamA, upstreamB) || compareText(revisionA, revisionB)
}

function parts(version: string): [number, string, string] {
  const colon = version.indexOf(':')
  const rest = version.slice(colon + 1)
  const dash = rest.lastIndexOf('-')
  return [colon < 0 ? 0 : Number(version.slice(0, colon)), dash < 0 ? rest : rest.slice(0, dash), dash < 0 ? '' : rest.slice(dash + 1)]
}

/** Runs of non-digits and of digits in turn; letters before other characters. */
function compareText(a: string, b: string): number {
  let restA = a
  let restB = b
  while (restA !== '' || restB !== '') {
    const wordA = /^\D*/.exec(restA)![0]
    const wordB = /^\D*/.exec(restB)![0]
    for (let at = 0; at < Math.max(wordA.length, wordB.length); at++) {
      const order = weight(wordA[at]) - weight(wordB[at])
      if (order !== 0) return order
    }
    restA = restA.slice(wordA.length)
    restB = restB.slice(wordB.length)
    const numberA = /^\d*/.exec(restA)![0]
    const numberB = /^\d*/.exec(restB)![0]
    const order = Number(numberA) - Number(numberB)
    if (order !== 0) return order
    restA = restA.slice(numberA.length)
    restB = restB.slice(numberB.length)
  }
  return 0
}

function weight(character: string | undefined): number {
  if (character === undefined) return 0
  if (character === '~') return -1
  return /[A-Za-z]/.test(character) ? character.charCodeAt(0) : character.charCodeAt(0) + 256
}
