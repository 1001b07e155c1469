/** A Python that will install: what pip's --python-version, --platform, --implementation and --abi say. No `abis` means pip's own choice for the version. */
export type PythonTarget = { python: string; platforms: readonly string[]; implementation: string; abis: readonly string[] }

/** Newest first, as pip prefers them (PEP 600): up to glibc 2.36, which is Debian 12's. */
export function manylinux(arch: 'amd64' | 'arm64'): string[] {
  const machine = arch === 'amd64' ? 'x86_64' : 'aarch64'
  const tags: string[] = []
  for (let minor = 36; minor >= (arch === 'amd64' ? 5 : 17); minor--) {
    tags.push(`manylinux_2_${minor}_${machine}`)
    const legacy = { 17: '2014', 12: '2010', 5: '1' }[minor]
    if (legacy !== undefined) tags.push(`manylinux${legacy}_${machine}`)
  }
  return [...tags, `linux_${machine}`]
}

/** What markers see on the target (PEP 508). The platform's name and machine are in its tags; the last digits of the Python are not known. */
export function markerEnvironment({ python, platforms, implementation }: PythonTarget): Record<string, string> {
  const tag = platforms[0] ?? 'linux_x86_64'
  const [os, machine] = tag.startsWith('macosx')
    ? (['darwin', /_(arm64|x86_64)$/.exec(tag)?.[1] ?? 'arm64'] as const)
    : tag.startsWith('win')
      ? (['win32', { win_amd64: 'AMD64', win_arm64: 'ARM64' }[tag] ?? 'x86'] as const)
      : (['linux', /(x86_64|aarch64|i686|armv7l|ppc64le|s390x|riscv64)$/.exec(tag)?.[1] ?? 'x86_64'] as const)
  const name = implementation === 'pp' ? 'PyPy' : 'CPython'
  return {
    python_version: python,
    python_full_version: `${python}.0`,
    sys_platform: os,
    os_name: os === 'win32' ? 'nt' : 'posix',
    platform_system: { linux: 'Linux', darwin: 'Darwin', win32: 'Windows' }[os],
    platform_machine: machine,
    platform_python_implementation: name,
    implementation_name: name.toLowerCase(),
    implementation_version: `${python}.0`,
  }
}
