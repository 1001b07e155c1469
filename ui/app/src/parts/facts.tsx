import { ActionIcon, Alert, Badge, Code, CopyButton, Group, Stack, Text, Tooltip } from '@mantine/core'
import type { ReactNode } from 'react'
import type { Fault } from '../api.ts'
import { dayAndClock, plain, shortDigest } from '../words.ts'

/** A digest, short to look at and whole to copy. */
export function Digest({ value }: { value: string | null }): ReactNode {
  if (value === null) return <Text span c="dimmed">none yet</Text>
  return (
    <CopyButton value={value}>
      {({ copied, copy }) => (
        <Tooltip label={copied ? 'copied' : `${value} (click to copy)`} multiline maw={560}>
          <Code component="button" className="plain-button" onClick={copy} aria-label={`copy ${value}`}>
            {shortDigest(value)}
          </Code>
        </Tooltip>
      )}
    </CopyButton>
  )
}

/** The command line of what a button does: nothing is only in the console. */
export function Command({ line }: { line: string }): ReactNode {
  return (
    <Group gap={4} wrap="nowrap" className="command">
      <Code>{line}</Code>
      <CopyButton value={line}>
        {({ copied, copy }) => (
          <Tooltip label={copied ? 'copied' : 'copy as command'}>
            <ActionIcon variant="subtle" size="sm" onClick={copy} aria-label={`copy the command ${line}`}>
              {copied ? '✓' : '⧉'}
            </ActionIcon>
          </Tooltip>
        )}
      </CopyButton>
    </Group>
  )
}

/** A time in the site's zone, UTC on hover. */
export function At({ iso }: { iso: string }): ReactNode {
  return (
    <Tooltip label={`${iso} (UTC)`}>
      <time dateTime={iso}>{dayAndClock(iso)}</time>
    </Tooltip>
  )
}

export function FaultBox({ fault }: { fault: Fault | null }): ReactNode {
  if (fault === null) return null
  return (
    <Alert color="red" role="alert" title={plain(fault.message)} my="sm">
      <Text size="sm">do: {plain(fault.hint)}</Text>
      <Text size="xs" c="dimmed" ff="monospace">{fault.code}</Text>
    </Alert>
  )
}

/** Colour is never the only sign: the word stands in it. */
const TONES: Record<string, string> = {
  healthy: 'teal', imported: 'teal', succeeded: 'teal', passed: 'teal',
  'rolling-out': 'cyan', applying: 'cyan', booting: 'cyan', enrolled: 'cyan', staging: 'cyan', verifying: 'cyan', promoting: 'cyan', running: 'cyan', planned: 'gray',
  'awaiting-approval': 'yellow', verified: 'yellow', waiting: 'yellow', draining: 'yellow', drained: 'yellow', parked: 'yellow', degraded: 'orange', removing: 'gray',
  refused: 'red', rejected: 'red', quarantined: 'red', failed: 'red',
}

export function StateBadge({ state }: { state: string }): ReactNode {
  return (
    <Badge color={TONES[state] ?? 'gray'} variant="light" tt="none" className="state">
      {state.replaceAll('-', ' ')}
    </Badge>
  )
}

/** An empty page says how to begin, with a command to copy. */
export function Empty({ title, children, command }: { title: string; children: ReactNode; command: string }): ReactNode {
  return (
    <Stack align="flex-start" gap="xs" className="empty">
      <Text fw={600}>{title}</Text>
      <Text size="sm" c="dimmed">{children}</Text>
      <Command line={command} />
    </Stack>
  )
}

export function Fact({ name, children }: { name: string; children: ReactNode }): ReactNode {
  return (
    <div className="fact">
      <Text size="xs" c="dimmed">{name}</Text>
      <div>{children}</div>
    </div>
  )
}
