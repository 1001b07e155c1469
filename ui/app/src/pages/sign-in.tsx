import { Button, Group, PasswordInput, Stack, Text, TextInput, Title } from '@mantine/core'
import { useState, type ReactNode } from 'react'
import { answerOf, api, faultFrom, type Fault } from '../api.ts'
import { FaultBox } from '../parts/facts.tsx'

export function SignIn({ onSignedIn }: { onSignedIn: () => Promise<void> }): ReactNode {
  const [user, setUser] = useState('')
  const [password, setPassword] = useState('')
  const { busy, fault, run } = useSubmit(async () => {
    await answerOf(api.POST('/api/v1/session', { body: { user, password } }))
    await onSignedIn()
  })
  return (
    <Door title="Sign in to Drydock" onSubmit={run}>
      <TextInput label="User" name="user" autoComplete="username" value={user} onChange={event => setUser(event.currentTarget.value)} required withAsterisk={false} autoFocus />
      <PasswordInput label="Password" name="password" autoComplete="current-password" value={password} onChange={event => setPassword(event.currentTarget.value)} required withAsterisk={false} />
      <FaultBox fault={fault} />
      <Button type="submit" loading={busy} fullWidth>Sign in</Button>
    </Door>
  )
}

export function NewPassword({ user, onChanged }: { user: string; onChanged: () => Promise<void> }): ReactNode {
  const [old, setOld] = useState('')
  const [fresh, setFresh] = useState('')
  const [again, setAgain] = useState('')
  const { busy, fault, run } = useSubmit(async () => {
    await answerOf(api.POST('/api/v1/session/password', { body: { old, new: fresh } }))
    await onChanged()
  })
  return (
    <Door title="Choose a password of your own" onSubmit={run}>
      <Text size="sm">The password of {user} was made for one use.</Text>
      <PasswordInput label="The one-time password" name="old" autoComplete="current-password" value={old} onChange={event => setOld(event.currentTarget.value)} required withAsterisk={false} autoFocus />
      <PasswordInput label="New password" description="12 characters or more" name="new" autoComplete="new-password" value={fresh} onChange={event => setFresh(event.currentTarget.value)} required withAsterisk={false} minLength={12} />
      <PasswordInput label="New password again" name="again" autoComplete="new-password" value={again} onChange={event => setAgain(event.currentTarget.value)} required withAsterisk={false} error={again !== '' && again !== fresh ? 'expected the same password twice' : null} />
      <FaultBox fault={fault} />
      <Button type="submit" loading={busy} disabled={fresh !== again} fullWidth>Change and go on</Button>
    </Door>
  )
}

function Door({ title, onSubmit, children }: { title: string; onSubmit: () => void; children: ReactNode }): ReactNode {
  return (
    <main className="door">
      <form
        className="card"
        onSubmit={event => {
          event.preventDefault()
          onSubmit()
        }}
      >
        <Stack>
          <Group gap="sm"><img src="/drydock.svg" width="32" height="32" alt="" /><Title order={1} size="h4">{title}</Title></Group>
          {children}
        </Stack>
      </form>
    </main>
  )
}

function useSubmit(submit: () => Promise<void>): { busy: boolean; fault: Fault | null; run: () => void } {
  const [busy, setBusy] = useState(false)
  const [fault, setFault] = useState<Fault | null>(null)
  const go = async (): Promise<void> => {
    setBusy(true)
    setFault(null)
    try {
      await submit()
    } catch (failure) {
      setFault(faultFrom(failure))
    } finally {
      setBusy(false)
    }
  }
  return { busy, fault, run: () => void go() }
}
