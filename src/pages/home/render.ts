// The page at the server's own address: creates, lists and ends sessions. Pure: this file does no I/O.

const OWN = new URL('./client/', import.meta.url).pathname

/** The page's files, in the form for src/system/display/page-files.ts. */
export const HOME_FILES = [
  { name: 'home.js', paths: [`${OWN}home.js`], type: 'text/javascript; charset=utf-8' },
  { name: 'home.css', paths: [`${OWN}home.css`], type: 'text/css; charset=utf-8' }
]

export const homePageHeaders = {
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy': "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer'
}

/** The forms for logging in: with an API key, or at a provider. */
const LOGINS = {
  key: `<form id="login" hidden>
<label>Your API key <input id="key" type="password" autocomplete="current-password" spellcheck="false" required></label>
<button>Log in</button>
</form>`,
  provider: `<form id="login" hidden>
<button>Log in with your provider</button>
</form>`
}

/** The page as HTML. `base` is the path of the server in URLs, ending in a slash, `assetBase` the folder of its files in URLs, `refusal` the message of a login that was just refused. */
export function renderHomePage ({ base, assetBase, login, refusal = '' }: { base: string, assetBase: string, login: keyof typeof LOGINS, refusal?: string }): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Ex10</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<link rel="stylesheet" href="${assetBase}home.css">
<script type="module" src="${assetBase}home.js"></script>
</head>
<body>
<main data-base="${base}">
<h1>Ex10</h1>
<p>Live browsers for extension development. A new session takes a second or two.</p>
${LOGINS[login]}
<p id="refusal" role="alert">${escapeHtml(refusal)}</p>
<section id="desk" hidden>
<p id="who" hidden>You are <b id="user"></b>. <button id="logout">Log out</button></p>
<button id="create">New session</button>
<ol id="progress" aria-live="polite"></ol>
<h2>Sessions</h2>
<ul id="sessions"></ul>
<section id="ended" hidden>
<h2>Ended, and can be brought back</h2>
<ul id="recoverable"></ul>
</section>
</section>
<p><a href="${base}docs">API documentation</a></p>
</main>
</body>
</html>
`
}

function escapeHtml (text: string): string {
  return text.replace(/[&<>"']/g, character => `&#${character.charCodeAt(0)};`)
}
