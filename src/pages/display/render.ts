// The display page: our own index over the installed Xpra HTML5 client, shown in an opaque origin.
// Pure: this file uses no file system, socket or clock. It defines the served files and their headers.

import { fileURLToPath } from 'node:url'

/** One file of the display page: its name in the URL, its source files, in order, and its media type. */
export interface DisplayFile {
  name: string
  paths: readonly string[]
  type: string
}

/** The values of one rendering of the page. `nonce` and `ticket` are new for every response. */
export interface DisplayPageOptions {
  /** the path of the session's routes, ending in a slash: /session/<id>/; below a path prefix, it begins with that */
  base: string
  /** short-lived, single-use, base64url; the page's WebSocket sends it as ?ticket= */
  ticket: string
  /** valid while the page is open, two base64url words; authorises requests for the session's state and, with the mode `control`, for keeping the session */
  token: string
  /** two base64url words, in a page that was opened by a displayUrl: gets it a new address when it reloads itself */
  renewal?: string
  /** whether the person may act, or only look */
  mode: 'view' | 'control'
  /** base64url; the same value goes into the headers */
  nonce: string
  /** the folder of the page's files in URLs, ending in a slash: /display/<version>/; below a path prefix, it begins with that */
  assetBase: string
}

/** The values in the page's headers. */
export interface DisplayHeaderOptions {
  nonce: string
  /** the validated Host; only for browsers whose 'self' does not cover ws: and wss: */
  host?: string
  /** the origins that may put the page in a frame: 'self', 'none' or a list */
  frameAncestors?: string
}

const XPRA = '/usr/share/xpra/www/'
// Debian's jQuery, by its real path: the client's own js/lib/jquery.js is a symbolic link that leaves its folder.
const JQUERY = '/usr/share/javascript/jquery/jquery.min.js'
const OWN = fileURLToPath(new URL('./client/', import.meta.url))
const SCRIPT = 'text/javascript; charset=utf-8'

/**
 * The used files of the installed client, in the order in which they must run. The page never loads the other files (video,
 * sound, printing, menus, notifications, encryption, archives: 3 MB, and most of the client's HTML sinks).
 */
export const CLIENT_FILES: readonly string[] = [
  JQUERY,
  ...['js/lib/jquery.ba-throttle-debounce.js', 'js/lib/bencode.js', 'js/lib/lz4.js', 'js/Keycodes.js', 'js/Utilities.js',
    'js/Protocol.js', 'js/Window.js', 'js/Client.js'].map(name => XPRA + name)
]

// Modules; the first one is the entry and imports the others.
const OWN_MODULES = ['page.js', 'about.js', 'packets.js', 'windows.js', 'moves.js', 'input.js', 'clipboard.js', 'connection.js', 'recovery.js', 'expiry.js', 'problems.js']

/**
 * All files that the page loads; no other file and no whole folder has to be served. The client's files are one answer,
 * because browsers do not cache files for an opaque origin: each opening of the page loads them again.
 */
export const DISPLAY_FILES: readonly DisplayFile[] = [
  { name: 'client.js', paths: CLIENT_FILES, type: SCRIPT },
  ...OWN_MODULES.map(name => ({ name, paths: [OWN + name], type: SCRIPT })),
  { name: 'page.css', paths: [`${OWN}page.css`], type: 'text/css; charset=utf-8' }
]

const BASE64URL = /^[\w-]{1,512}$/
const TOKEN = /^[\w-]{43}\.[\w-]{1,512}$/
const ASSET_BASE = /^\/[\w./~-]*\/$/
const SESSION_BASE = /^\/[\w./~-]*session\/[0-9a-f]{32}\/$/
const HOST = /^(?:[a-z0-9.-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?$/i
const ANCESTORS = /^[\w.:/*'[\] -]+$/

/** The page as HTML. Throws on a value that the server cannot have made, so no value can break the HTML. */
export function renderDisplayPage (options: DisplayPageOptions): string {
  const { base, ticket, token, renewal, mode, nonce, assetBase } = options
  check('base', base, SESSION_BASE)
  check('ticket', ticket, BASE64URL)
  check('token', token, TOKEN)
  if (renewal !== undefined) check('renewal', renewal, TOKEN)
  check('mode', mode, /^(view|control)$/)
  check('nonce', nonce, BASE64URL)
  check('assetBase', assetBase, ASSET_BASE)
  const url = (name: string) => escapeHtml(assetBase + name)
  const preloads = OWN_MODULES.slice(1)
    .map(name => `<link rel="modulepreload" nonce="${nonce}" href="${url(name)}">`)
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Ex10 session</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="dark">
<meta name="ex10-base" content="${escapeHtml(base)}">
<meta name="ex10-ticket" content="${escapeHtml(ticket)}">
<meta name="ex10-token" content="${escapeHtml(token)}">
<meta name="ex10-mode" content="${mode}">
${renewal === undefined ? '' : `<meta name="ex10-renewal" content="${escapeHtml(renewal)}">\n`}<link rel="icon" href="data:,">
<link rel="stylesheet" nonce="${nonce}" href="${url('page.css')}">
<script defer nonce="${nonce}" src="${url('client.js')}"></script>
${preloads.join('\n')}
<script type="module" nonce="${nonce}" src="${url('page.js')}"></script>
</head>
<body>
<div id="dpi"></div>
<div id="screen"></div>
<nav id="windows" aria-label="Windows" hidden></nav>
<textarea id="pasteboard" aria-label="Keyboard input of the remote browser" autocapitalize="off" autocomplete="off" spellcheck="false"></textarea>
<div id="status" role="status" aria-live="polite" data-look="cover">Connecting…</div>
<div id="view-only">View only</div>
<section id="problems" aria-label="Problems of the extension" hidden>
<div><div role="alert"></div><div role="status"></div></div>
<button type="button" aria-expanded="false" aria-controls="other-problems" hidden></button>
<button type="button" aria-label="Close" title="Close (Ctrl+F6 leads here from the picture, and back)" aria-keyshortcuts="Control+F6">×</button>
<ul id="other-problems" hidden></ul>
</section>
<div id="expiry" role="alert" hidden><span></span> <button type="button">Keep the session</button></div>
<div id="recovery" hidden><button type="button">Bring the session back</button></div>
<noscript>The live browser needs JavaScript.</noscript>
</body>
</html>
`
}

/** The page's own headers. It holds a ticket: no Access-Control-Allow-Origin. */
export function displayPageHeaders (options: DisplayHeaderOptions): Record<string, string> {
  const { nonce, host, frameAncestors = "'self'" } = options
  check('nonce', nonce, BASE64URL)
  if (host !== undefined) check('host', host, HOST)
  check('frameAncestors', frameAncestors, ANCESTORS)
  const policy = [
    'sandbox allow-scripts allow-pointer-lock allow-downloads allow-modals allow-popups',
    "default-src 'none'",
    `script-src 'nonce-${nonce}'`,
    `style-src 'nonce-${nonce}'`,
    'img-src data:',
    `connect-src 'self'${host === undefined ? '' : ` ws://${host} wss://${host}`}`,
    "base-uri 'none'",
    "form-action 'none'",
    `frame-ancestors ${frameAncestors}`
  ]
  return {
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': policy.join('; '),
    'cross-origin-resource-policy': 'same-origin',
    'permissions-policy': 'camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()',
    'referrer-policy': 'no-referrer'
  }
}

/** Headers of every file in DISPLAY_FILES. An opaque origin is cross-origin to every server: two headers allow that. */
export function displayFileHeaders (type: string): Record<string, string> {
  return {
    'content-type': type,
    'cache-control': 'public, max-age=31536000, immutable',
    'access-control-allow-origin': '*',
    'cross-origin-resource-policy': 'cross-origin',
    // a file that is opened as a page gets no rights either
    'content-security-policy': "default-src 'none'; sandbox",
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff'
  }
}

/** Headers of GET /session/:id/state, which the page polls from its opaque origin. */
export function displayStateHeaders (): Record<string, string> {
  return {
    'content-type': 'application/json; charset=utf-8',
    'access-control-allow-origin': '*',
    'cross-origin-resource-policy': 'cross-origin'
  }
}

function check (name: string, value: string, pattern: RegExp): void {
  if (!pattern.test(value)) throw new TypeError(`display page: bad ${name}`)
}

function escapeHtml (text: string): string {
  return text.replace(/[&<>"']/g, character => `&#${character.charCodeAt(0)};`)
}
