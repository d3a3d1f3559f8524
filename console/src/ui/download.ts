// Saves text as a file, without a server's help.

export function downloadText(name: string, text: string, type = 'application/json'): void {
  const address = URL.createObjectURL(new Blob([text], { type }))
  const link = document.createElement('a')
  link.href = address
  link.download = name
  link.click()
  // The browser has taken the blob by the time the click returns to the event loop.
  setTimeout(() => URL.revokeObjectURL(address), 0)
}
