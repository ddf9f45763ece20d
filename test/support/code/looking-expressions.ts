/** Pages of the web on which extensions act, by host; they exist on no network. */
const FRAMED = `<!doctype html><meta charset="utf-8"><title>Site</title><script>
  document.documentElement.dataset.atStart = [Object.keys(document.documentElement.dataset), typeof patched, typeof fetch.patched].join()
</script><h1>Site</h1><p>text</p><iframe src="about:blank"></iframe><iframe srcdoc="<p>srcdoc"></iframe><iframe name="other" src="//other.test/"></iframe>`
const FRAME = `<!doctype html><title>Frame</title><p>frame</p><script>
  onmessage = ({ source }) => source.postMessage({ ...document.documentElement.dataset }, '*')
</script>`
export const SITE_PAGES: Record<string, string> = { 'site.test': FRAMED, 'site.test:8080': FRAMED, 'other.test': FRAME }

/** In a page of the web: what an extension can have done to it and its frames. */
export const IN_SITE = `(async () => {
  const look = page => ({ ...page.documentElement.dataset })
  const answer = Promise.withResolvers()
  addEventListener('message', ({ data }) => answer.resolve(data), { once: true })
  document.querySelector('[name=other]').contentWindow.postMessage('', '*')
  setTimeout(answer.resolve, 500, 'no answer')
  const { color, backgroundImage } = getComputedStyle(document.querySelector('h1'))
  return {
    title: document.title, text: document.body.innerText, data: look(document), color, backgroundImage,
    frames: [...document.querySelectorAll('iframe:not([name])')].map(frame => look(frame.contentDocument)), other: await answer.promise
  }
})()`

/** In a page of an extension: what a person sees. */
export const IN_PAGE = `({
  title: document.title, text: document.body?.innerText.slice(0, 2000),
  colors: [...document.querySelectorAll('p')].slice(0, 9).map(p => getComputedStyle(p).color),
  links: [...document.querySelectorAll('link')].map(link => [link.id, link.getAttribute('href'), !!link.sheet].join()),
  images: [...document.images].map(image => [image.getAttribute('src')?.slice(0, 99), image.naturalWidth].join())
})`

/** In a service worker: its file, and the globals that it made. */
export const IN_WORKER = `(() => {
  const known = new Set(['clients', 'registration', 'serviceWorker', 'cookieStore', 'skipWaiting', 'chrome', 'browser'])
  const own = Object.keys(self).filter(name => !known.has(name) && !(name.startsWith('on') && self[name] === null))
  const values = own.map(name => [name, typeof self[name] === 'function' ? 'a function' : self[name]])
  return { file: location.href, values: JSON.parse(JSON.stringify(Object.fromEntries(values))) }
})()`

/** In a page of an extension: the size and the hash of each file, wherever it names the extension by its id. */
export const FILES_OF = `async (paths, encoded, id) => Object.fromEntries(await Promise.all(paths.map(async (path, i) => {
  try {
    const response = await fetch('/' + encoded[i])
    const text = new TextDecoder('latin1').decode(await response.arrayBuffer()).replaceAll(id, 'ID')
    const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text)))
    return [path, [text.length, ...hash.slice(0, 8)].join()]
  } catch {
    return [path, 'not there']
  }
})))`
