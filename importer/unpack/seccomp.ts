import { DrydockError } from '../../appliance/core/error.ts'

/**
 * What the confined process may not even ask the kernel for, beside what its namespaces already lack: sockets, processes, mounts, links and
 * device nodes (the parent reads the staging folder, and a link there would lead it out), namespaces, other processes' memory, and the kernel's large side doors. `execve` cannot be in the list, because bubblewrap itself
 * needs it to start the program; without fork it could only replace the process by itself, inside the same walls.
 */
const DENIED = {
  x64: {
    audit: 0xc000003e, clone: 56, clone3: 435,
    sockets: [41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 53, 288, 299, 307], // socket … socketpair, accept4, recvmmsg, sendmmsg
    forks: [57, 58], // fork, vfork
    links: [86, 88, 265, 266], // link, symlink, linkat, symlinkat
    always: [
      101, 310, 311, 434, 438, // ptrace, process_vm_readv, process_vm_writev, pidfd_open, pidfd_getfd
      133, 259, // mknod, mknodat
      155, 161, 165, 166, 272, 308, 428, 429, 430, 431, 432, 442, // pivot_root, chroot, mount, umount2, unshare, setns, open_tree … fspick, mount_setattr
      175, 313, 246, 320, // init_module, finit_module, kexec_load, kexec_file_load
      248, 249, 250, 298, 303, 304, 321, 323, 425, 426, 427, // add_key, request_key, keyctl, perf_event_open, *_handle_at, bpf, userfaultfd, io_uring_*
    ],
  },
  arm64: {
    audit: 0xc00000b7, clone: 220, clone3: 435,
    sockets: [198, 199, 200, 201, 202, 203, 206, 207, 210, 211, 212, 242, 243, 269],
    forks: [],
    links: [36, 37],
    always: [
      117, 270, 271, 434, 438,
      33,
      39, 40, 41, 51, 97, 268, 428, 429, 430, 431, 432, 442,
      105, 273, 104, 294,
      217, 218, 219, 241, 264, 265, 280, 282, 425, 426, 427,
    ],
  },
} as const

const EPERM = 1
const ENOSYS = 38
const CLONE_THREAD = 0x10000
/** Every CLONE_NEW…: mount, cgroup, uts, ipc, user, pid and network namespaces. */
const CLONE_NAMESPACES = 0x7e020000
/** Bit that x86-64 kernels take for the x32 numbering of the same calls. */
const X32 = 0x40000000

const LOAD = 0x20 // BPF_LD | BPF_W | BPF_ABS
const EQUAL = 0x15 // BPF_JMP | BPF_JEQ | BPF_K
const AT_LEAST = 0x35 // BPF_JMP | BPF_JGE | BPF_K
const BIT = 0x45 // BPF_JMP | BPF_JSET | BPF_K
const RETURN = 0x06 // BPF_RET | BPF_K
const ALLOW = 0x7fff0000
const ERRNO = 0x00050000
const KILL = 0x80000000

/** Offsets into struct seccomp_data: number, architecture, low halves of the arguments (little endian). */
const NUMBER = 0
const ARCHITECTURE = 4
const FIRST_ARGUMENT = 16
const SECOND_ARGUMENT = 24
const THIRD_ARGUMENT = 32

/** For a reader of media: open, openat, openat2, creat, ioctl by their numbers. */
const OPENS = {
  x64: { open: 2, openat: 257, refused: [85, 437], ioctl: 16 },
  arm64: { open: null, openat: 56, refused: [437], ioctl: 29 },
} as const
/** O_WRONLY, O_RDWR, O_CREAT, O_TRUNC */
const FOR_WRITING = 0o1103
/** BLKGETSIZE64 and BLKSSZGET: how large a device is. What else a device can be told (SG_IO, discard, eject) is not the reader's. */
const ASKED_OF_A_DEVICE = [0x80081272, 0x1268]

type Instruction = readonly [code: number, whenTrue: number, whenFalse: number, value: number]

/** Nothing is opened but for reading, and a device is asked for its size and nothing else. Each test ends in a return: it loads another word. */
function onlyReads(architecture: keyof typeof OPENS): Instruction[] {
  const { open, openat, refused, ioctl } = OPENS[architecture]
  const opens = (call: number, flags: number): Instruction[] => [[EQUAL, 0, 4, call], [LOAD, 0, 0, flags], [BIT, 0, 1, FOR_WRITING], [RETURN, 0, 0, ERRNO | EPERM], [RETURN, 0, 0, ALLOW]]
  return [
    ...refused.flatMap((call): Instruction[] => [[EQUAL, 0, 1, call], [RETURN, 0, 0, ERRNO | EPERM]]),
    ...(open === null ? [] : opens(open, SECOND_ARGUMENT)), ...opens(openat, THIRD_ARGUMENT),
    [EQUAL, 0, 3 + ASKED_OF_A_DEVICE.length, ioctl], [LOAD, 0, 0, SECOND_ARGUMENT],
    ...ASKED_OF_A_DEVICE.map((request, k): Instruction => [EQUAL, ASKED_OF_A_DEVICE.length - k, 0, request]),
    [RETURN, 0, 0, ERRNO | EPERM], [RETURN, 0, 0, ALLOW],
  ]
}

/**
 * The filter as bubblewrap's --seccomp takes it: an array of struct sock_filter (seccomp(2)).
 * @param processes for programs that are not ours: scanners may start processes and make links in what is theirs alone; a reader of media may
 * open nothing for writing
 * @throws DD-IMPORT-016 on a processor whose system calls are not in the table
 */
export function seccompFilter(architecture: string = process.arch, processes: 'one process' | 'processes' | 'reader' = 'one process'): Buffer {
  if (architecture !== 'x64' && architecture !== 'arm64') {
    throw new DrydockError('DD-IMPORT-016', `expected an x64 or arm64 processor, found ${architecture}`, 'run the appliance on one of these: bundles are never unpacked without the sandbox')
  }
  const { audit, clone, clone3, sockets, forks, links, always } = DENIED[architecture]
  const calls = [...sockets, ...always, ...(processes === 'processes' ? [] : [...forks, ...links])]
  const denyClone: Instruction[] = processes === 'processes'
    ? [[BIT, 0, 1, CLONE_NAMESPACES], [RETURN, 0, 0, ERRNO | EPERM]]
    : [[BIT, 1, 0, CLONE_THREAD], [RETURN, 0, 0, ERRNO | EPERM]]
  const program: Instruction[] = [
    [LOAD, 0, 0, ARCHITECTURE], [EQUAL, 1, 0, audit], [RETURN, 0, 0, KILL],
    [LOAD, 0, 0, NUMBER], [AT_LEAST, 0, 1, X32], [RETURN, 0, 0, KILL],
    ...calls.flatMap((call): Instruction[] => [[EQUAL, 0, 1, call], [RETURN, 0, 0, ERRNO | EPERM]]),
    ...(processes === 'reader' ? onlyReads(architecture) : []),
    // The C library then falls back to clone, whose flags can be looked at: threads yes, processes perhaps, namespaces no.
    [EQUAL, 0, 1, clone3], [RETURN, 0, 0, ERRNO | ENOSYS],
    [EQUAL, 0, 3, clone], [LOAD, 0, 0, FIRST_ARGUMENT], ...denyClone,
    [RETURN, 0, 0, ALLOW],
  ]
  const bytes = Buffer.alloc(program.length * 8)
  program.forEach(([code, whenTrue, whenFalse, value], i) => {
    bytes.writeUInt16LE(code, i * 8)
    bytes.writeUInt8(whenTrue, i * 8 + 2)
    bytes.writeUInt8(whenFalse, i * 8 + 3)
    bytes.writeUInt32LE(value >>> 0, i * 8 + 4)
  })
  return bytes
}
