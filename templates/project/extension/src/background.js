// The service worker: it has no page, and Chromium stops it when it is idle.

chrome.runtime.onInstalled.addListener(async () => {
  const settings = await chrome.storage.local.get({ greeting: 'Hello from my extension' })
  await chrome.storage.local.set(settings)
})

// Any page or content script of the extension can ask it something.
chrome.runtime.onMessage.addListener((message, sender, answer) => {
  if (message === 'version') answer(chrome.runtime.getManifest().version)
})
