"use strict"
// A model that has been taken along in a page: it writes, expects and scores there, by its network alone.

const PAUSE = 24 // milliseconds of work between two breaths
const KEPT_EVERY = 16 // tokens between two places that are kept, so that a text that grows is not read again

// Mulberry32: the same numbers in [0, 1) for the same seed and prompt. With the same ones for all prompts a weak model
// would fall into step and go on alike.
function randoms(seed, prompt = "") {
  let state = seed >>> 0
  for (const character of prompt) state = Math.imul(state ^ character.codePointAt(0), 0x01000193)
  return () => {
    state = state + 0x6D2B79F5 | 0
    let x = Math.imul(state ^ state >>> 15, 1 | state)
    x = x + Math.imul(x ^ x >>> 7, 61 | x) ^ x
    return ((x ^ x >>> 14) >>> 0) / 4294967296
  }
}

// Lets the page breathe now and then; whoever has aborted is told by an error.
function breather(signal) {
  let last = performance.now()
  return async () => {
    if (performance.now() - last < PAUSE) return
    await new Promise(resolve => setTimeout(resolve))
    signal?.throwIfAborted()
    last = performance.now()
  }
}

class Model {
  constructor(name, content) {
    this.name = name
    this.network = new Network(content)
    this.tokenizer = new TOKENIZERS[content.tokenizer.kind](content.tokenizer)
    this.kept = { tokens: [], places: [this.network.start()] }
  }

  static async from(name, base64) { return new Model(name, await unpacked(base64)) }

  // The place behind a text.
  async read(text, signal) {
    const unknown = this.tokenizer.unknown(text)
    if (unknown.length) throw new Error("not in the training text: " + unknown.map(visible).join(" "))
    const breathe = breather(signal), lead = this.tokenizer.leads && text.endsWith(" ")
    const tokens = [BOUNDARY, ...this.tokenizer.encode(lead ? text.slice(0, -1) : text).tokens]
    const { kept } = this
    let same = 0
    while (same < tokens.length - 1 && kept.tokens[same] === tokens[same]) same++
    const places = kept.places.slice(0, Math.floor(same / KEPT_EVERY) + 1)
    let place = places.at(-1)
    for (let i = (places.length - 1) * KEPT_EVERY; i < tokens.length; i++) {
      if (i && i % KEPT_EVERY === 0 && places.length === i / KEPT_EVERY) places.push({ ...place, logs: null })
      place = this.network.read(place, tokens[i])
      await breathe()
    }
    this.kept = { tokens, places }
    return { place, lead }
  }

  // [name of a token, P(it comes next)] of the most probable ones.
  async expect(text, most, signal) {
    const { place } = await this.read(text, signal), chances = place.logs.map(Math.exp)
    const order = Array.from(chances.keys()).sort((a, b) => chances[b] - chances[a])
    return order.slice(0, most).map(token => [this.tokenizer.names[token], chances[token]])
  }

  // The pieces of a text of so many characters after a prompt, as they are drawn.
  async * write(prompt, { length, temperature, seed }, signal) {
    const random = randoms(seed, prompt), breathe = breather(signal), writer = this.tokenizer.writer()
    let { place, lead } = await this.read(prompt, signal), left = length
    while (left > 0) {
      const shaped = place.logs.map(x => x / Math.max(temperature, 1e-3))
      const most = shaped.reduce((a, b) => Math.max(a, b), -Infinity), masses = shaped.map(x => Math.exp(x - most))
      for (const token of this.tokenizer.unwritable) masses[token] = 0
      const token = oneOf(masses, random)
      let piece = writer(token, random)
      if (lead && piece) {
        piece = piece.replace(/^ /, "")
        lead = false
      }
      piece = [...piece].slice(0, left).join("")
      left -= [...piece].length
      if (piece) yield piece
      place = this.network.read(place, token)
      await breathe()
    }
  }

  // What it pays for a text, read as a document: stretches as aligned.js wants them, and bits per character.
  async score(text, signal, progress = () => {}) {
    const breathe = breather(signal), { tokens, stretches } = this.tokenizer.encode(text)
    let place = this.network.read(this.network.start(), BOUNDARY), total = 0, model = 0, spelling = 0
    const found = []
    for (const [i, token] of [...tokens, BOUNDARY].entries()) {
      const bits = -place.logs[token] / Math.LN2, [start, end, spelled] = stretches[i] ?? [0, 0, 0]
      total += bits + spelled
      model += bits
      spelling += spelled
      if (i < tokens.length) {
        if (end > start) {
          found.push([start, end, model, spelling])
          model = spelling = 0
        }
        place = this.network.read(place, token)
        progress(i / tokens.length)
        await breathe()
      }
    }
    const characters = [...text].length + 1
    return { stretches: found, total, bits_per_character: total / characters, end: model }
  }
}
