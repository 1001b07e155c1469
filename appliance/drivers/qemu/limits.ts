/** How long QEMU may take until its monitor answers, milliseconds. */
export const START_MILLISECONDS = 30_000
/** After SIGTERM, after QMP `quit`, and after SIGKILL: how long to wait for the process to go, milliseconds. */
export const TERMINATE_MILLISECONDS = 3_000
export const QUIT_MILLISECONDS = 2_000
export const KILL_MILLISECONDS = 15_000
/** A KVM that has not run the probe's guest by then is taken for one that hangs, milliseconds; under TCG it takes a tenth of a second. */
export const KVM_PROBE_MILLISECONDS = 3_000
/** What `console` returns at most, bytes. */
export const CONSOLE_TAIL_BYTES = 256 * 1024
/** A console log above this is cut to its tail at the next look, bytes. */
export const CONSOLE_TRIM_BYTES = 2 * 1024 * 1024
/** No file that QEMU writes can grow beyond this (RLIMIT_FSIZE), so that a chatty guest cannot fill the disk, bytes. */
export const WRITTEN_FILE_BYTES = 8 * 1024 * 1024
/** A QMP answer larger than this is not one, bytes. */
export const QMP_LINE_BYTES = 1024 * 1024
