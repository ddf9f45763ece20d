// The container's health check. A server that is full, draining or short of disk is healthy: a new container would not help,
// and would end its sessions. One that does not answer, or whose firewall cannot be put in force, is not.
const port = process.env.EX10_PORT || 3001

try {
  const response = await fetch(`http://127.0.0.1:${port}/ready`, { signal: AbortSignal.timeout(5000) })
  const { code, message } = await response.json()
  if (response.status === 500 || code === 'EX10_FIREWALL') throw new Error(message)
} catch (error) {
  console.error(`ex10: ${error.cause?.message ?? error.message}`)
  process.exitCode = 1
}
