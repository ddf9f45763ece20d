// A bar over the picture that shows the extension's problems. The server answers when they change. The messages are
// untrusted: they are shown as text only.

import { canAct, problemsUrl } from './about.js'

const ANSWER = 40_000 // the server answers after 25 s at the latest
const RETRY = 2_000
// A reload clears the problems, and the same ones may come again: at once, or when a slow worker has started.
const [HEALED, FORGOTTEN] = [700, 10_000]

const bar = document.getElementById('problems')
const [alert, status] = bar.querySelectorAll('[role]')
const [more, close] = bar.querySelectorAll('button')
const others = document.getElementById('other-problems')

/** Shows the session's problems, as they come and go. A viewer with the mode `view` gets none. */
export function showProblems () {
  if (!canAct) return
  /** Problems that the person has closed, each with the time since which it is gone (Infinity while it is present). */
  const closed = new Map()
  let shown = []
  let timer

  function take (problems) {
    clearTimeout(timer)
    const hasNew = problems.some(problem => !shown.includes(JSON.stringify(problem)))
    if (hasNew) show(problems)
    else timer = setTimeout(show, HEALED, problems)
  }

  function show (problems) {
    shown = problems.map(problem => JSON.stringify(problem))
    forgetGone()
    bar.hidden = shown.every(text => closed.has(text))
    const [first, ...rest] = problems.toSorted((a, b) => isWarning(a) - isWarning(b))
    const isQuiet = first === undefined || isWarning(first)
    bar.dataset.look = isQuiet ? 'warning' : 'error'
    const region = bar.hidden ? undefined : isQuiet ? status : alert
    for (const element of [alert, status]) say(element, element === region && first)
    others.replaceChildren(...rest.map(problem => say(document.createElement('li'), problem)))
    more.hidden = rest.length === 0
    expand(!others.hidden && rest.length > 0)
  }

  /** Forgets closed problems that have been gone for a while: if they come back, they are shown again. */
  function forgetGone () {
    const now = performance.now()
    for (const [text, goneAt] of closed) {
      if (now - goneAt > FORGOTTEN) closed.delete(text)
      else closed.set(text, shown.includes(text) ? Infinity : Math.min(goneAt, now))
    }
  }

  function expand (isOpen) {
    others.hidden = !isOpen
    more.setAttribute('aria-expanded', String(isOpen))
    more.textContent = isOpen ? 'Show less' : `and ${others.childElementCount} more`
  }

  more.addEventListener('click', () => expand(others.hidden))
  close.addEventListener('click', () => {
    for (const text of shown) closed.set(text, Infinity)
    bar.hidden = true
    returnToPicture()
  })
  keepFocusOnPicture()
  keepKeysInBar()
  watch(take)
}

const isWarning = ({ kind }) => kind === 'warning'

/** Puts a problem into an element. Leaves the element alone if it shows that problem already: screen readers would read it again. */
function say (element, problem) {
  const place = problem?.file === undefined ? '' : [problem.file, problem.line].filter(part => part !== undefined).join(':')
  const texts = problem ? [place, problem.message] : []
  if (texts.join('\n') === [...element.children].map(child => child.textContent).join('\n')) return element
  element.replaceChildren(...texts.map((text, index) => {
    const part = document.createElement(index === 0 ? 'b' : 'span')
    part.textContent = text
    return part
  }))
  return element
}

/** Calls `take` with the problems whenever they have changed. A hidden page sends no requests. */
async function watch (take) {
  let known = ''
  for (;;) {
    await seen()
    const { tag, problems, isOver } = await ask(known)
    if (isOver) return
    if (tag === undefined) {
      await new Promise(resolve => setTimeout(resolve, RETRY))
    } else if (tag !== known) {
      known = tag
      take(problems)
    }
  }
}

/** The problems, once they differ from the known ones, or after a while. */
async function ask (known) {
  const hidden = new AbortController()
  const giveUp = () => { if (document.hidden) hidden.abort() }
  document.addEventListener('visibilitychange', giveUp)
  try {
    const signal = AbortSignal.any([hidden.signal, AbortSignal.timeout(ANSWER)])
    const response = await fetch(`${problemsUrl}&known=${known}`, { cache: 'no-store', credentials: 'omit', signal })
    if (response.ok) return await response.json()
    return { isOver: [401, 403, 404].includes(response.status) } // the session has ended, which connection.js shows
  } catch {
    return {} // the server was not reached
  } finally {
    document.removeEventListener('visibilitychange', giveUp)
  }
}

function seen () {
  if (!document.hidden) return
  return new Promise(resolve => document.addEventListener('visibilitychange', resolve, { once: true }))
}

const returnToPicture = () => document.getElementById('pasteboard').focus({ preventScroll: true })

/** A click on the bar leaves the keyboard with the picture. */
function keepFocusOnPicture () {
  bar.addEventListener('pointerdown', event => event.preventDefault())
  bar.addEventListener('mousedown', event => event.preventDefault())
}

/** Ctrl+F6 leads from the picture to the bar; Ctrl+F6 and Escape lead back. Keys that are pressed in the bar do not reach the session. */
function keepKeysInBar () {
  const held = new Set()
  addEventListener('keydown', event => {
    const isWithin = bar.contains(event.target)
    const isSwitch = event.ctrlKey && event.key === 'F6' && !bar.hidden
    if (!isWithin && !isSwitch) return
    event.stopImmediatePropagation()
    held.add(event.code)
    if (!isSwitch && event.key !== 'Escape') return
    event.preventDefault()
    if (isWithin) returnToPicture()
    else close.focus()
  }, true)
  addEventListener('keyup', event => {
    if (held.delete(event.code)) event.stopImmediatePropagation()
  }, true)
}
