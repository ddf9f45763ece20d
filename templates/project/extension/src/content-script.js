// Runs in every web page that is opened, and shows a badge in its corner.

async function showBadge () {
  const { greeting } = await chrome.storage.local.get({ greeting: 'Hello from my extension' })

  const badge = document.createElement('div')
  badge.id = 'my-extension'
  badge.textContent = greeting
  badge.style.cssText = 'position: fixed; right: 16px; bottom: 16px; z-index: 2147483647; padding: 8px 12px; border-radius: 8px; background: #1f2937; color: #fff; font: 14px system-ui'
  document.body.append(badge)
}

showBadge()
