"use strict"
// The models of textgen play: each answers over HTTP, in lines of JSON.

const GONE = "No answer: start textgen play again, and open its new address."

async function * answers(what, { name }, text, settings, signal) {
  const body = JSON.stringify({ model: name, what, text, ...settings })
  const answer = await fetch("ask", { method: "POST", body, signal }).catch(error => {
    throw error.name === "AbortError" ? error : new Error(GONE)
  })
  if (!answer.ok) throw new Error(answer.status === 400 ? (await answer.json()).error : GONE)
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader()
  let rest = ""
  for (;;) {
    const { value, done } = await reader.read()
    if (done) return
    const lines = (rest + value).split("\n")
    rest = lines.pop()
    for (const piece of lines.map(line => JSON.parse(line))) {
      if (piece.error) throw Object.assign(new Error(piece.error), { at: piece.at })
      yield piece
    }
  }
}

const answering = model => ({
  ...model,
  async * write(...question) { for await (const { text } of answers("write", model, ...question)) yield text },
  async expect(text, { part }, signal) {
    for await (const { tokens } of answers("expect", model, text, { part }, signal)) return tokens
  },
  async price(text, settings, signal) { for await (const price of answers("price", model, text, {}, signal)) return price },
})

fetch("models").then(answer => answer.json()).then(({ models, part }) => asking(models.map(answering), part))
