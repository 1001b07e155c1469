import type { ErrorEntry } from './entry.ts'

export const COLLECT_ERRORS = {
  'DD-COLLECT-001': { exit: 2, http: 400, retryable: false, story: 'The collection file cannot be read or is not YAML. Nothing was fetched.' },
  'DD-COLLECT-002': { exit: 1, http: 422, retryable: false, story: 'apt cannot install a set of packages from nothing: one is unknown to the sources, or its dependencies cannot be met together.' },
  'DD-COLLECT-003': { exit: 3, http: 422, retryable: false, story: 'The chain from the archive key over InRelease and Packages to the .deb files is broken: a signature is missing or bad, or an index is not the one that was signed. Nothing of that source was used.' },
  'DD-COLLECT-004': { exit: 3, http: 422, retryable: false, story: 'What a registry sent is not what its own index or the lock file says (another hash or size). It was not kept. A damaged cache on the way does this, and so does an attack.' },
  'DD-COLLECT-005': { exit: 1, http: 502, retryable: true, story: 'A registry that this machine is set up for did not answer, or answered with a fault, after several tries. What was fetched is kept: run the command again.' },
  'DD-COLLECT-006': { exit: 1, http: 404, retryable: false, story: 'The registry does not know this package, version or image.' },
  'DD-COLLECT-007': { exit: 2, http: 422, retryable: false, story: 'An npm project cannot be collected as it stands: no lock file of npm, pnpm or Yarn that can be read, more than one, or a dependency that does not come from a registry (git, a folder, a link out of the project, a tarball of its own).' },
  'DD-COLLECT-008': { exit: 1, http: 422, retryable: false, story: 'pip found no set of wheels for the requirements on this Python version and platform. Source distributions are never built while collecting.' },
  'DD-COLLECT-009': { exit: 2, http: 422, retryable: false, story: 'A role of the collection is unknown, or its pack needs something that the collection does not bring.' },
  'DD-COLLECT-010': { exit: 1, http: 422, retryable: false, story: 'No apt source of this machine offers the suite with the key that the collection trusts.' },
  'DD-COLLECT-011': { exit: 2, http: 422, retryable: false, story: 'A file or folder of the collection is missing or is something that does not travel (a symbolic link, a device, a name that mirrors cannot serve).' },
  'DD-COLLECT-012': { exit: 2, http: 422, retryable: false, story: 'Two parts of the collection give the same name and version with different content. One name means one thing in a bundle.' },
  'DD-COLLECT-013': { exit: 3, http: 422, retryable: false, story: 'A container image is not whole: a manifest of an unknown kind, a layer that lies elsewhere (foreign layer), or a blob that is missing.' },
  'DD-COLLECT-014': { exit: 2, http: 400, retryable: false, story: 'The collection file uses a variable that the environment does not have.' },
  'DD-COLLECT-015': { exit: 1, http: 500, retryable: false, story: 'No Python with pip 22.2 or newer was found to resolve the PyPI requirements with.' },
  'DD-COLLECT-016': { exit: 1, http: 409, retryable: true, story: 'Another collect works in this workspace. Two at once would undo each other, so the second one does nothing; the message names the process that has it.' },
  'DD-COLLECT-017': { exit: 2, http: 422, retryable: false, story: 'A uv.lock or requirements file cannot be collected as it stands: it cannot be read, something in it does not come from an index (git, a folder, an address of its own), or a release has no wheel.' },
  'DD-COLLECT-018': { exit: 3, http: 422, retryable: false, story: 'A release that the collection pins was yanked: its authors withdrew it. It is refused unless the collection allows it, so that nobody carries it in unknowingly.' },
  'DD-COLLECT-019': { exit: 2, http: 422, retryable: false, story: 'Virus definitions without a date: no container among them says when it was built, so nobody inside could see how old they are.' },
} as const satisfies Record<string, ErrorEntry>
