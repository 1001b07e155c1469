import { canonicalJson } from '../../bundles/format/canonical-json.ts'
import { escapeHtml } from '../store/html.ts'

export const JSON_TYPE = 'application/vnd.pypi.simple.v1+json'
export const HTML_TYPE = 'application/vnd.pypi.simple.v1+html'

/** One file of a project as both pages show it. `url` is relative to /pypi/simple/<project>/, so it leads to the same generation. */
export type SimpleFile = { filename: string; url: string; sha256: string; size: number; requiresPython: string | undefined; yanked: string | boolean; metadataSha256: string | undefined }

/**
 * PEP 691, with the versions and sizes of PEP 700. Metadata stands under the name of PEP 714 only: pip 22.3 … 23.0, Debian 12's among them,
 * stops at a dictionary under the older name `dist-info-metadata`.
 */
export function projectJson(name: string, versions: readonly string[], files: readonly SimpleFile[]): string {
  return canonicalJson({
    meta: { 'api-version': '1.1' },
    name,
    versions,
    files: files.map(file => {
      const metadata = file.metadataSha256 === undefined ? false : { sha256: file.metadataSha256 }
      return {
        filename: file.filename,
        url: file.url,
        hashes: { sha256: file.sha256 },
        size: file.size,
        yanked: file.yanked,
        'core-metadata': metadata,
        ...(file.requiresPython === undefined ? {} : { 'requires-python': file.requiresPython }),
      }
    }),
  })
}

/** PEP 503 with the attributes of PEP 592 (yanked) and PEP 658 (metadata beside the file). */
export function projectHtml(name: string, files: readonly SimpleFile[]): string {
  const links = files.map(file => {
    const attributes = [
      `href="${escapeHtml(file.url)}#sha256=${file.sha256}"`,
      file.requiresPython === undefined ? '' : `data-requires-python="${escapeHtml(file.requiresPython)}"`,
      file.metadataSha256 === undefined ? '' : `data-core-metadata="sha256=${file.metadataSha256}" data-dist-info-metadata="sha256=${file.metadataSha256}"`,
      file.yanked === false ? '' : `data-yanked="${escapeHtml(file.yanked === true ? '' : file.yanked)}"`,
    ]
    return `<a ${attributes.filter(text => text !== '').join(' ')}>${escapeHtml(file.filename)}</a><br>`
  })
  return page(`Links for ${escapeHtml(name)}`, links)
}

export function rootJson(names: readonly string[]): string {
  return canonicalJson({ meta: { 'api-version': '1.1' }, projects: names.map(name => ({ name })) })
}

export function rootHtml(names: readonly string[]): string {
  return page('Simple index', names.map(name => `<a href="${escapeHtml(name)}/">${escapeHtml(name)}</a><br>`))
}

function page(title: string, lines: readonly string[]): string {
  return `<!DOCTYPE html>\n<html><head><meta name="pypi:repository-version" content="1.1"><title>${title}</title></head><body>\n${lines.join('\n')}\n</body></html>\n`
}
