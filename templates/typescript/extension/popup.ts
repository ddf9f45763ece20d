import { loadGreeting } from './settings.ts'

const show = (id: string, text: string): void => { document.getElementById(id)!.textContent = text }

show('greeting', await loadGreeting())
show('version', `Version ${await chrome.runtime.sendMessage('version')}`)

document.getElementById('options')!.addEventListener('click', () => chrome.runtime.openOptionsPage())
