// Runs in every web page that is opened, and shows a badge in its corner.

import { loadGreeting } from './settings.ts'
import './content.css'

async function showBadge (): Promise<void> {
  const badge = document.createElement('div')
  badge.id = 'my-extension'
  badge.textContent = await loadGreeting()
  document.body.append(badge)
}

showBadge()
