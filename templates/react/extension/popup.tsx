import { useEffect, useState } from 'react'
import { createRoot } from 'react-dom/client'
import { loadGreeting } from './settings.ts'

function Popup () {
  const [greeting, setGreeting] = useState('')
  const [version, setVersion] = useState('')

  useEffect(() => {
    loadGreeting().then(setGreeting)
    chrome.runtime.sendMessage('version').then(setVersion)
  }, [])

  return (
    <>
      <h1>My extension</h1>
      <p id="greeting">{greeting}</p>
      <p id="version">Version {version}</p>
      <button onClick={() => chrome.runtime.openOptionsPage()}>Options</button>
    </>
  )
}

createRoot(document.getElementById('root')!).render(<Popup />)
