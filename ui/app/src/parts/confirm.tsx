import { Button, Group, Modal, Stack, Text, TextInput } from '@mantine/core'
import { useState, type ReactNode } from 'react'
import { faultFrom, type Fault } from '../api.ts'
import { Command, FaultBox } from './facts.tsx'

export type Ask = { label: string; placeholder: string; required: boolean }

/** One dialogue for everything that changes something: what will happen, what is asked for, the same as a command. */
export function ActionButton({ label, title, explain, command, ask, typeName, color, disabled, run }: {
  label: string
  title: string
  explain: ReactNode
  command: string
  ask?: Ask
  /** A destructive action asks for the name of what it changes. */
  typeName?: string
  color?: string
  disabled?: boolean
  run: (answer: string) => Promise<unknown>
}): ReactNode {
  const [open, setOpen] = useState(false)
  const [answer, setAnswer] = useState('')
  const [typed, setTyped] = useState('')
  const [busy, setBusy] = useState(false)
  const [fault, setFault] = useState<Fault | null>(null)
  const ready = (ask?.required !== true || answer.trim() !== '') && (typeName === undefined || typed === typeName)

  const go = async (): Promise<void> => {
    setBusy(true)
    setFault(null)
    try {
      await run(answer.trim())
      setOpen(false)
      setAnswer('')
      setTyped('')
    } catch (failure) {
      setFault(faultFrom(failure))
    } finally {
      setBusy(false)
    }
  }

  return (
    <>
      <Button size="xs" variant={color === undefined ? 'filled' : 'light'} {...(color === undefined ? {} : { color })} disabled={disabled === true} onClick={() => setOpen(true)}>
        {label}
      </Button>
      <Modal opened={open} onClose={() => setOpen(false)} title={title} lockScroll={false} centered size="lg">
        <form
          onSubmit={event => {
            event.preventDefault()
            if (ready && !busy) void go()
          }}
        >
          <Stack gap="sm">
            <Text size="sm" component="div">{explain}</Text>
            {ask === undefined ? null : <TextInput label={ask.label} placeholder={ask.placeholder} value={answer} required={ask.required} onChange={event => setAnswer(event.currentTarget.value)} data-autofocus />}
            {typeName === undefined ? null : <TextInput label={`Type ${typeName} to go on`} value={typed} onChange={event => setTyped(event.currentTarget.value)} />}
            <Command line={command} />
            <FaultBox fault={fault} />
            <Group justify="flex-end">
              <Button variant="default" onClick={() => setOpen(false)}>Cancel</Button>
              <Button type="submit" loading={busy} disabled={!ready} {...(color === undefined ? {} : { color })}>{label}</Button>
            </Group>
          </Stack>
        </form>
      </Modal>
    </>
  )
}
