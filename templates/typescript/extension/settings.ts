export const DEFAULT_GREETING = 'Hello from my extension'

export async function loadGreeting (): Promise<string> {
  const { greeting } = await chrome.storage.local.get({ greeting: DEFAULT_GREETING })
  return greeting
}

export async function saveGreeting (greeting: string): Promise<void> {
  await chrome.storage.local.set({ greeting })
}
