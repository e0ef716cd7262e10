"use strict"
// The models of textgen play: each answers over HTTP, in lines of JSON.

async function * answers(what, { name }, text, settings, signal) {
  const body = JSON.stringify({ model: name, what, text, ...settings })
  const answer = await fetch("ask", { method: "POST", body, signal }).catch(error => {
    throw error.name === "AbortError" ? error : new Error("No answer: start textgen play again, and open its new address.")
  })
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader()
  let rest = ""
  for (;;) {
    const { value, done } = await reader.read()
    if (done) return
    const lines = (rest + value).split("\n")
    rest = lines.pop()
    for (const found of lines.map(line => JSON.parse(line))) {
      if (found.error) throw Object.assign(new Error(found.error), { at: found.at })
      yield found
    }
  }
}

const answering = model => ({
  ...model,
  async * write(...given) { for await (const { text } of answers("write", model, ...given)) yield text },
  async expect(...given) { for await (const { tokens } of answers("expect", model, ...given)) return tokens },
  async price(...given) { for await (const price of answers("price", model, ...given)) return price },
})

fetch("models").then(answer => answer.json()).then(models => asking(models.map(answering)))
