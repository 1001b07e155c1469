import { Anchor } from '@mantine/core'
import type { ReactNode } from 'react'
import { Link } from 'react-router'
import { answerOf, api } from '../api.ts'
import { Digest, Empty, Fact, Facts, FaultBox } from '../parts/facts.tsx'
import { Page, Section } from '../parts/page.tsx'
import { Rows } from '../parts/rows.tsx'
import { urls } from '../urls.ts'
import { useAnswer } from '../use-answer.ts'
import { bytes } from '../words.ts'

export function ImagesPage(): ReactNode {
  const { data, fault } = useAnswer(() => answerOf(api.GET('/api/v1/images')), 'images', { concerns: event => event.type === 'build.image', everyMs: null })
  const pools = useAnswer(() => answerOf(api.GET('/api/v1/pools')), 'pools')
  return (
    <Page title="Images" question="What do the runners run?">
      <FaultBox fault={fault} />
      {data?.length === 0 ? <Empty title="No image yet" command="drydock pool apply NAME">An image is baked when a pool is applied.</Empty> : data?.map(image => {
        const users = (pools.data ?? []).filter(pool => pool.image === image.digest)
        return (
          <Section key={image.digest} title={[image.lock.base.name, ...image.lock.roles.map(role => `${role.role} ${role.version}`)].join(', ')} note={users.length === 0 ? 'no pool runs it now' : <>run by {users.map(pool => <Anchor key={pool.name} component={Link} to={urls.pool(pool.name)} size="xs">{pool.name} </Anchor>)}</>}>
            <Facts>
              <Fact name="Image"><Digest value={image.digest} /></Fact>
              <Fact name="Spec"><Digest value={image.specDigest} /></Fact>
              <Fact name="Size">{bytes(image.size)}</Fact>
              <Fact name="Debian packages">{image.packages.length}</Fact>
            </Facts>
            <Rows
              label="layers" rows={image.layers} keyOf={layer => layer.name}
              columns={[
                { label: 'Layer', cell: layer => <b>{layer.name}</b> },
                { label: 'Size', cell: layer => bytes(layer.size), className: 'numbers' },
                { label: 'Digest', cell: layer => <Digest value={layer.digest} /> },
                { label: 'dm-verity root', cell: layer => <span className="mono" title={layer.verityRoot}>{layer.verityRoot.slice(0, 16)}…</span> },
              ]}
            />
          </Section>
        )
      })}
    </Page>
  )
}
