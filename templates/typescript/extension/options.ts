import { loadGreeting, saveGreeting } from './settings.ts'

const form = document.querySelector('form')!
const input = document.querySelector<HTMLInputElement>('#greeting')!

input.value = await loadGreeting()

form.addEventListener('submit', async event => {
  event.preventDefault()
  await saveGreeting(input.value)
  document.querySelector('output')!.textContent = 'Saved'
})
