const { greeting } = await chrome.storage.local.get('greeting')
document.querySelector('#greeting').textContent = greeting

const version = await chrome.runtime.sendMessage('version')
document.querySelector('#version').textContent = `Version ${version}`
