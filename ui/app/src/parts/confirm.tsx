import { Button, Group, Stack, Text, TextInput } from '@mantine/core'
import { useState, type ReactNode } from 'react'
import { faultFrom, type Fault } from '../api.ts'
import { plain } from '../words.ts'
import { Dialogue } from './dialogue.tsx'
import { Command, FaultBox } from './facts.tsx'

export type Ask = { label: string; placeholder: string }

/** `main` what one came for, `normal` and `quiet` beside it, `danger` what takes something away. */
const TONES = {
  main: { variant: 'filled' },
  normal: { variant: 'light' },
  quiet: { variant: 'default' },
  danger: { variant: 'light', color: 'red' },
} as const

/** One dialogue for everything that changes something: what will happen, what is asked for, the same as a command. */
export function ActionButton({ label, title, explain, command, ask, typeName, tone = 'main', disabled = false, unready = false, run }: {
  label: string
  title: string
  explain: ReactNode
  command: string | ((answer: string) => string)
  /** A text without which it is not done. */
  ask?: Ask
  /** A destructive action asks for the name of what it changes. */
  typeName?: string
  tone?: keyof typeof TONES
  disabled?: boolean
  /** What `explain` holds is not filled in yet. */
  unready?: boolean
  run: (answer: string) => Promise<unknown>
}): ReactNode {
  const [open, setOpen] = useState(false)
  const [answer, setAnswer] = useState('')
  const [typed, setTyped] = useState('')
  const [busy, setBusy] = useState(false)
  const [fault, setFault] = useState<Fault | null>(null)
  const ready = !unready && (ask === undefined || answer.trim() !== '') && (typeName === undefined || typed === typeName)

  const close = (): void => {
    setOpen(false)
    setTyped('')
    setFault(null)
  }
  const go = async (): Promise<void> => {
    setBusy(true)
    setFault(null)
    try {
      await run(answer.trim())
      close()
      setAnswer('')
    } catch (failure) {
      setFault(faultFrom(failure))
    } finally {
      setBusy(false)
    }
  }

  return (
    <>
      <Button size="xs" {...TONES[tone]} disabled={disabled} onClick={() => setOpen(true)}>{label}</Button>
      <Dialogue open={open} onClose={close} title={plain(title)}>
        <form
          onSubmit={event => {
            event.preventDefault()
            if (ready && !busy) void go()
          }}
        >
          <Stack gap="md">
            <Text size="sm" component="div">{explain}</Text>
            {ask === undefined ? null : <TextInput label={ask.label} placeholder={ask.placeholder} value={answer} required withAsterisk={false} onChange={event => setAnswer(event.currentTarget.value)} data-autofocus />}
            {typeName === undefined ? null : <TextInput label={`Type ${typeName} to go on`} value={typed} autoComplete="off" onChange={event => setTyped(event.currentTarget.value)} data-autofocus />}
            <div>
              <Text size="xs" className="soft" mb={4}>The same as a command</Text>
              <Command line={typeof command === 'string' ? command : command(answer.trim())} />
            </div>
            <FaultBox fault={fault} />
            <Group justify="flex-end">
              <Button variant="default" onClick={close}>Cancel</Button>
              <Button type="submit" loading={busy} disabled={!ready} {...(tone === 'danger' ? { color: 'red' } : {})}>{label}</Button>
            </Group>
          </Stack>
        </form>
      </Dialogue>
    </>
  )
}
