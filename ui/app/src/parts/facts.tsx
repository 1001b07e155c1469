import { ActionIcon, Alert, Badge, Code, CopyButton, Stack, Text } from '@mantine/core'
import type { ReactNode } from 'react'
import type { Fault } from '../api.ts'
import { dayAndClock, plain, shortDigest } from '../words.ts'
import { Icon } from './icon.tsx'

/** A digest, short to look at and whole to copy. */
export function Digest({ value }: { value: string | null }): ReactNode {
  if (value === null) return <span className="soft">none yet</span>
  return (
    <CopyButton value={value}>
      {({ copied, copy }) => (
        <Code component="button" className="plain-button" onClick={copy} title={`${value} (click to copy)`}>
          {copied ? 'copied' : shortDigest(value)}
        </Code>
      )}
    </CopyButton>
  )
}

/** The command line of what a button does: nothing is only in the console. */
export function Command({ line }: { line: string }): ReactNode {
  return (
    <span className="command">
      <Code>{line}</Code>
      <CopyButton value={line}>
        {({ copied, copy }) => (
          <ActionIcon variant="subtle" size="sm" onClick={copy} title="copy as command" aria-label={`copy the command ${line}`}>
            <Icon name={copied ? 'done' : 'copy'} />
          </ActionIcon>
        )}
      </CopyButton>
    </span>
  )
}

/** A time in the site's zone, UTC on hover. */
export function At({ iso }: { iso: string }): ReactNode {
  return <time dateTime={iso} title={`${iso} (UTC)`}>{dayAndClock(iso)}</time>
}

export function FaultBox({ fault }: { fault: Fault | null }): ReactNode {
  if (fault === null) return null
  return (
    <Alert color="red" role="alert" title={plain(fault.message)}>
      <Text size="sm">do: {plain(fault.hint)}</Text>
      <Text size="xs" className="mono">{fault.code}</Text>
    </Alert>
  )
}

/** Colour is never the only sign: the word stands in it. */
const TONES: Record<string, string> = {
  healthy: 'teal', added: 'teal', done: 'teal', ready: 'teal', imported: 'teal', succeeded: 'teal', passed: 'teal', served: 'teal',
  'rolling-out': 'cyan', applying: 'cyan', booting: 'cyan', enrolled: 'cyan', staging: 'cyan', scanned: 'cyan', verifying: 'cyan', promoting: 'cyan', running: 'cyan', found: 'cyan', importing: 'cyan', new: 'cyan',
  'awaiting-approval': 'yellow', verified: 'yellow', waiting: 'yellow', draining: 'yellow', drained: 'yellow', parked: 'yellow', warning: 'yellow', degraded: 'orange', replaced: 'orange', deleting: 'orange',
  refused: 'red', rejected: 'red', quarantined: 'red', unreadable: 'red', removed: 'red', revoked: 'red', failed: 'red', blocker: 'red',
}

export function StateBadge({ state }: { state: string }): ReactNode {
  return <Badge color={TONES[state] ?? 'gray'} variant="light" tt="none" className="state">{state.replaceAll('-', ' ')}</Badge>
}

/** An empty page says how to begin, with a command to copy. */
export function Empty({ title, children, command }: { title: string; children: ReactNode; command: string }): ReactNode {
  return (
    <Stack align="flex-start" gap="xs" className="empty">
      <Text fw={600}>{title}</Text>
      <Text size="sm" className="soft">{children}</Text>
      <Command line={command} />
    </Stack>
  )
}

export function Facts({ children }: { children: ReactNode }): ReactNode {
  return <dl className="facts">{children}</dl>
}

export function Fact({ name, children }: { name: string; children: ReactNode }): ReactNode {
  return <div className="fact"><dt>{name}</dt><dd>{children}</dd></div>
}
