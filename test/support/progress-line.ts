/** Says what is going on at least every `seconds`, however quiet the work is. */
export function keepSaying(seconds: number, line: () => string): { stop(): void } {
  const timer = setInterval(() => process.stderr.write(`${line()}\n`), seconds * 1000)
  timer.unref()
  return { stop: () => clearInterval(timer) }
}
