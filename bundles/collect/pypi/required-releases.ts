import Type from 'typebox'
import { runProgram } from '../../../appliance/core/run-program.ts'
import { checkShape } from '../../format/check.ts'
import type { ChosenWheel, Pip } from './pip.ts'
import { markerEnvironment, type PythonTarget } from './targets.ts'

/**
 * Which projects each of the wheels requires on the target (PEP 508), by pip's own evaluation of the markers. An extra counts where
 * somebody in the set asks for it, until nothing more is asked. A line that is no requirement any more (old metadata) requires nothing.
 */
const REQUIRED = `
import json, sys
from pip._vendor.packaging.markers import default_environment
from pip._vendor.packaging.requirements import InvalidRequirement, Requirement
from pip._vendor.packaging.utils import canonicalize_name
asked = json.load(sys.stdin)
environment = {**default_environment(), **asked['environment']}
def parsed(lines):
    for line in lines:
        try:
            yield Requirement(line)
        except InvalidRequirement:
            pass
wheels = [(wheel['name'], list(parsed(wheel['requires']))) for wheel in asked['wheels']]
extras = {name: {''} for name, _ in wheels}
for wheel in asked['wheels']:
    extras[wheel['name']].update(wheel['extras'])
def holds(requirement, name):
    return requirement.marker is None or any(requirement.marker.evaluate({**environment, 'extra': extra}) for extra in extras[name])
grows = True
while grows:
    before = sum(map(len, extras.values()))
    for name, requirements in wheels:
        for requirement in requirements:
            if requirement.extras and holds(requirement, name):
                extras.get(canonicalize_name(requirement.name), set()).update(requirement.extras)
    grows = sum(map(len, extras.values())) > before
print(json.dumps([sorted({canonicalize_name(r.name) for r in requirements if holds(r, name)}) for name, requirements in wheels]))
`
const Required = Type.Array(Type.Array(Type.String()))

/** The releases of one resolution that each of its wheels requires, as `NAME==VERSION`, by the wheel's sha256. */
export async function requiredReleases(pip: Pip, target: PythonTarget, wheels: readonly ChosenWheel[], signal: AbortSignal): Promise<Map<string, string[]>> {
  if (wheels.length === 0) return new Map()
  const input = JSON.stringify({ environment: markerEnvironment(target), wheels: wheels.map(({ name, requiresDist, extras }) => ({ name, requires: requiresDist, extras })) })
  const { stdout } = await runProgram(pip.python, { args: ['-c', REQUIRED], env: pip.environment, input, signal, timeout: 60_000 })
  const required = checkShape(Required, JSON.parse(stdout.toString('utf8')), 'requirements as pip evaluates them')
  const chosen = Map.groupBy(wheels, ({ name }) => name)
  return new Map(wheels.map(({ sha256, name: own }, k) => [sha256, (required[k] ?? []).flatMap(name => (name === own ? [] : (chosen.get(name) ?? []).map(({ version }) => `${name}==${version}`)))]))
}
