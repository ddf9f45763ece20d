/** One tab of a browser. */
export interface Tab { url: string, isActive?: true }

/** What addresses of a session's own pages depend on. */
export interface OwnAddresses { devServerPort: number, extensionId?: string | undefined }

const MOST = 100
const LENGTH = 8192
const KEPT = /^(https?:\/\/|about:blank$|chrome:\/\/(newtab|extensions|version|history|bookmarks|settings)(\/|$))/

/** The tabs that can be opened again: pages of the web, of the extension, and a few of Chromium's own. Others may belong to a moment, or to a machine. */
export function keptTabs (tabs: Tab[], extensionId: string | undefined): Tab[] {
  const isKept = ({ url }: Tab) => url.length <= LENGTH && (KEPT.test(url) || (extensionId !== undefined && url.startsWith(`chrome-extension://${extensionId}/`)))
  return tabs.filter(isKept).slice(0, MOST)
}

/** The tabs as another session opens them: its dev server has another port, and its extension another id. A page of an extension that it does not have is left out. */
export function tabsFor (tabs: Tab[], from: OwnAddresses, to: OwnAddresses): Tab[] {
  return tabs.flatMap(tab => {
    const [, id, page] = /^chrome-extension:\/\/([a-p]{32})\/(.*)/s.exec(tab.url) ?? []
    if (id !== undefined) return id === from.extensionId && to.extensionId !== undefined ? [{ ...tab, url: `chrome-extension://${to.extensionId}/${page}` }] : []
    const url = URL.parse(tab.url)
    if (url?.protocol !== 'http:' || !['localhost', '127.0.0.1'].includes(url.hostname) || url.port !== String(from.devServerPort)) return [tab]
    url.port = String(to.devServerPort)
    return [{ ...tab, url: url.href }]
  })
}
