import { Modal } from '@mantine/core'
import type { ReactNode } from 'react'

/** Mantine's dialogue with a head of our own: its own is a second banner to assistive technology. It does not lock scrolling, which would add a `<style>` element. */
export function Dialogue({ open, onClose, title, children }: { open: boolean; onClose: () => void; title: string; children: ReactNode }): ReactNode {
  return (
    <Modal.Root opened={open} onClose={onClose} lockScroll={false} centered size="lg">
      <Modal.Overlay />
      <Modal.Content>
        <div className="dialogue-head"><Modal.Title>{title}</Modal.Title><Modal.CloseButton aria-label="close" /></div>
        <Modal.Body>{children}</Modal.Body>
      </Modal.Content>
    </Modal.Root>
  )
}
