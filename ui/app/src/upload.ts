import { ApiFault, faultOf } from './api.ts'

/** Streams a bundle to the appliance. XMLHttpRequest, because fetch does not tell how much has been sent. */
export async function uploadBundle(file: File, onShare: (share: number) => void): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const request = new XMLHttpRequest()
  request.open('POST', '/api/v1/imports')
  request.setRequestHeader('content-type', 'application/octet-stream')
  request.setRequestHeader('x-file-name', encodeURIComponent(file.name))
  request.setRequestHeader('idempotency-key', crypto.randomUUID())
  request.upload.addEventListener('progress', event => onShare(event.total === 0 ? 0 : event.loaded / event.total))
  request.addEventListener('load', () => {
    if (request.status < 300) resolve()
    else {
      let body: unknown
      try {
        body = JSON.parse(request.responseText)
      } catch {
        body = undefined
      }
      reject(new ApiFault(faultOf(body)))
    }
  })
  request.addEventListener('error', () => reject(new ApiFault(faultOf(undefined))))
  request.send(file)
  await promise
}
