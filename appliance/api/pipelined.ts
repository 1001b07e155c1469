import type { Server } from 'node:net'
import type { TLSSocket } from 'node:tls'

/**
 * apt asks for ten packages at once on one connection. Over TLS, Node 26 refuses some of them with 400 (HPE_PAUSED): its parser takes bytes from
 * the TLS layer itself, which goes on delivering when the parser was paused, because an answer waits for its client. Whoever listens for
 * the data of a connection makes Node read it through the socket, and that does wait.
 */
export function takePipelinedRequests(server: Server): void {
  server.on('secureConnection', (socket: TLSSocket) => socket.on('data', () => undefined))
}
