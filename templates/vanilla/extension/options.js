const form = document.querySelector('form')
const input = document.querySelector('#greeting')

const { greeting } = await chrome.storage.local.get('greeting')
input.value = greeting

form.addEventListener('submit', async event => {
  event.preventDefault()
  await chrome.storage.local.set({ greeting: input.value })
  document.querySelector('output').textContent = 'Saved'
})
