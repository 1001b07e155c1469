import { useEffect, type ReactNode } from 'react'
import { plain } from '../words.ts'

/** Every page answers one question, which stands under its title. */
export function Page({ title, question, state, does, children }: { title: string; question: string; state?: ReactNode; does?: ReactNode; children: ReactNode }): ReactNode {
  const shown = plain(title)
  useEffect(() => {
    document.title = `${shown} · Drydock`
  }, [shown])
  return (
    <div className="page">
      <div className="title">
        <div>
          <div className="named"><h1>{shown}</h1>{state}</div>
          <p>{question}</p>
        </div>
        {does === undefined ? null : <div className="does">{does}</div>}
      </div>
      {children}
    </div>
  )
}

/** One thing of a page, under its name. */
export function Section({ title, note, children }: { title: string; note?: ReactNode; children: ReactNode }): ReactNode {
  return (
    <section className="card" aria-label={title}>
      <header><h2>{title}</h2>{note === undefined ? null : <small>{note}</small>}</header>
      {children}
    </section>
  )
}
