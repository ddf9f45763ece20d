import { useEffect, useState, type FormEvent } from 'react'
import { createRoot } from 'react-dom/client'
import { loadGreeting, saveGreeting } from './settings.ts'

function Options () {
  const [greeting, setGreeting] = useState('')
  const [isSaved, setSaved] = useState(false)

  useEffect(() => {
    loadGreeting().then(setGreeting)
  }, [])

  async function save (event: FormEvent) {
    event.preventDefault()
    await saveGreeting(greeting)
    setSaved(true)
  }

  return (
    <>
      <h1>Options</h1>
      <form onSubmit={save}>
        <label htmlFor="greeting">Greeting</label>
        <input id="greeting" value={greeting} onChange={({ target }) => setGreeting(target.value)} />
        <button>Save</button>
        <output>{isSaved && 'Saved'}</output>
      </form>
    </>
  )
}

createRoot(document.getElementById('root')!).render(<Options />)
