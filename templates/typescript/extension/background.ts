// The service worker: it has no page, and Chromium stops it when it is idle.

import { loadGreeting, saveGreeting } from './settings.ts'

chrome.runtime.onInstalled.addListener(async () => saveGreeting(await loadGreeting()))

// Any page or content script of the extension can ask it something.
chrome.runtime.onMessage.addListener((message, sender, answer) => {
  if (message === 'version') answer(chrome.runtime.getManifest().version)
})
