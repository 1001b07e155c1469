import type { Registry } from 'prom-client'
import type { ScannerView } from '../../bundles/format/import-record.ts'
import type { Trust } from '../../bundles/format/trust.ts'
import type { Clock } from '../core/clock.ts'
import type { Digest } from '../core/digest.ts'
import type { Log } from '../core/log.ts'
import type { AuditLog } from '../model/audit.ts'
import type { Catalogue } from '../model/catalogue.ts'
import type { HypervisorConnection } from '../model/desired.ts'
import type { EventLog } from '../model/event.ts'
import type { Dismissals } from '../model/dismissal.ts'
import type { Identity } from '../model/identity.ts'
import type { ImageManifest } from '../model/image.ts'
import type { MediumView } from '../model/medium.ts'
import type { NodeRegistry } from '../model/node.ts'
import type { Operation } from '../model/operation.ts'
import type { Rescans } from '../model/rescan.ts'
import type { ClockView, Decisions, RecallView, SignedImport, TrustView } from '../model/standing.ts'
import type { Imports, Pools } from '../model/use-cases.ts'
import type { CiView, HypervisorView, NewCi } from './answers.ts'

/** Everything the API speaks to. main joins the real ones; `inert.ts` has ones that hold nothing. */
export type Services = {
  siteId: string
  version: string
  clock: Clock
  log: Log
  /** The CA's certificate, PEM. */
  caPem: string
  /** The appliance's OpenPGP public key, armored: what receipts and audit heads are verified with. */
  signingKey: string
  identity: Identity
  audit: Pick<AuditLog, 'record' | 'list' | 'export'>
  events: Pick<EventLog, 'list' | 'subscribe' | 'last'>
  pools: Pools
  imports: Imports
  media: { list(): Promise<MediumView[]> }
  /** The SBOM of an import's bundle (CycloneDX JSON), in pieces: the same bytes that the sender has. @throws DD-IMPORT-024 */
  sbom(importId: string): Promise<Iterable<string>>
  operations: {
    get(id: string): Operation | undefined
    list(options?: { state?: Operation['state']; limit?: number }): Operation[]
    cancel(id: string, actor: string): void
  }
  nodes: Pick<NodeRegistry, 'get' | 'list'>
  /** The last part of a node's console log. */
  console(node: string, signal: AbortSignal): Promise<string>
  images: { list(): Promise<ImageManifest[]>; get(digest: Digest): Promise<ImageManifest | undefined> }
  catalogue: Pick<Catalogue, 'current' | 'generations'>
  connections: Connections
  trust(): Trust
  /** Who looks at imports, and how old their definitions are. */
  scanners(): Promise<ScannerView[]>
  /** What they said of what is here already. */
  rescans: Rescans
  /** What people say of it. */
  dismissals: Dismissals
  trustView(): Promise<TrustView>
  /** Imports with a signature by this key. */
  signedImports(fingerprint: string): SignedImport[]
  /** Newest first, lifted ones too. */
  recalls(): Promise<RecallView[]>
  clockView(): ClockView
  decisions: Decisions
  /** What /readyz says; `waits` names what is not up yet. */
  readiness(): { ready: boolean; waits: string[] }
  /** prom-client's; the API adds its own metrics to it. */
  metrics: Registry
  /** Where the built console lies (ui/dist). */
  consoleFolder: string
}

/** Hypervisors and CI servers, as desired state holds them and as they answer now. */
export interface Connections {
  hypervisors(signal: AbortSignal): Promise<HypervisorView[]>
  /** Adds or replaces. What is added is used by the next pass of the reconcile loop. */
  addHypervisor(connection: HypervisorConnection): Promise<void>
  cis(signal: AbortSignal): Promise<CiView[]>
  /** Adds or replaces; the token goes to secrets/. */
  addCi(connection: NewCi): Promise<void>
}
