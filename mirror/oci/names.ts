/** https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests */
const NAME = /^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$/
const TAG = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/

/** `site/…` is where jobs push; `g/<n>/…` is where old generations are. */
export function isImportedName(name: string): boolean {
  return name.length <= 255 && NAME.test(name) && !name.startsWith('site/') && !/^g\/\d+\//.test(name)
}

export function isTag(tag: string): boolean {
  return TAG.test(tag)
}
