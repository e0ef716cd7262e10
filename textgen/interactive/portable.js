// A model that a page holds: it writes, expects and prices text there, by its network alone.

const PAUSE = 24 // milliseconds of work between two breaths
const KEPT_EVERY = 16 // tokens between two places that are kept, so that a text that grows is not read again
const NEXT_TOKENS = 10
const MAX_PRICED = 20_000

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

// Lets the page breathe now and then, and ends work that is aborted.
function breather(signal) {
  let last = performance.now()
  return async () => {
    if (performance.now() - last < PAUSE) return
    await new Promise(resolve => setTimeout(resolve))
    signal?.throwIfAborted()
    last = performance.now()
  }
}

const ranked = masses => [...masses.keys()].sort((a, b) => masses[b] - masses[a])

// The masses from which a token is drawn.
function shaped(logs, unwritable, { temperature, top_k = 0, top_p = 1 }) {
  const scaled = logs.map(x => x / Math.max(temperature, 1e-6))
  for (const token of unwritable) scaled[token] = -Infinity
  const masses = logSoftmax(scaled).map(Math.exp)
  if (!top_k && top_p >= 1) return masses
  const kept = ranked(masses).slice(0, top_k || masses.length), drawn = masses.map(() => 0)
  let left = top_p * sum(kept.map(token => masses[token]))
  for (const token of kept) {
    if (left > 0) drawn[token] = masses[token]
    left -= masses[token]
  }
  return drawn
}

// An error about a part of a text, [start, end) in characters.
const refused = (message, start, end) => Object.assign(new Error(message), { at: [start, end] })

class Model {
  constructor(content) {
    this.network = new Network(content)
    this.tokenizer = new TOKENIZERS[content.tokenizer.kind](content.tokenizer)
    this.kept = { tokens: [], places: [this.network.start()] }
  }

  static async from(base64) { return new Model(await unpacked(base64)) }

  // The place behind a text, whose last space belongs to the next word where spaces lead.
  async read(text, signal) {
    const unknown = this.tokenizer.unknown(text), at = [...text].indexOf(unknown[0])
    if (unknown.length) throw refused("Not in the training text: " + unknown.map(visible).join(" "), at, at + 1)
    const breathe = breather(signal), lead = this.tokenizer.leads && text.endsWith(" ")
    const tokens = [BOUNDARY, ...this.tokenizer.encode(lead ? text.slice(0, -1) : text).map(({ token }) => token)]
    const same = tokens.findIndex((token, i) => i === tokens.length - 1 || token !== this.kept.tokens[i])
    const places = this.kept.places.slice(0, Math.floor(same / KEPT_EVERY) + 1)
    let place = places.at(-1)
    for (let i = (places.length - 1) * KEPT_EVERY; i < tokens.length; i++) {
      if (i === places.length * KEPT_EVERY) places.push(place)
      place = this.network.read(place, tokens[i])
      await breathe()
    }
    this.kept = { tokens, places }
    return { place, lead }
  }

  // [name of a token, P(it comes next)] of the most probable ones.
  async expect(text, settings, signal) {
    const { place } = await this.read(text, signal), chances = place.logs.map(Math.exp)
    return ranked(chances).slice(0, NEXT_TOKENS).map(token => [this.tokenizer.names[token], chances[token]])
  }

  // The pieces of a text after a prompt, as they are drawn.
  async * write(prompt, settings, signal) {
    const { length, top_k, top_p } = settings, wrong = length < 1 || length % 1 || top_k < 0 || top_k % 1 || top_p <= 0
    if (wrong) throw refused("characters, top-k or top-p is out of range")
    const random = randoms(settings.seed, prompt), breathe = breather(signal), writer = this.tokenizer.writer()
    let { place, lead } = await this.read(prompt, signal), left = length
    while (left > 0) {
      const token = oneOf(shaped(place.logs, this.tokenizer.unwritable, settings), random), text = writer(token, random)
      const piece = [...lead ? text.replace(/^ /, "") : text].slice(0, left)
      lead &&= !text
      left -= piece.length
      if (piece.length) yield piece.join("")
      place = this.network.read(place, token)
      await breathe()
    }
  }

  // Bits of a text that is read as a document, under the names of Run.score (textgen/runs/finished.py).
  async price(text, settings, signal) {
    const characters = [...text], { length } = characters, breathe = breather(signal), stretches = []
    if (!length || length > MAX_PRICED) throw refused(`Give a text of 1 to ${MAX_PRICED} characters.`, MAX_PRICED, length)
    let place = this.network.read(this.network.start(), BOUNDARY), model = 0, spelling = 0
    for (const { token, start, end, bits } of this.tokenizer.encode(text)) {
      model -= place.logs[token] / Math.LN2
      spelling += bits
      if (end > start) {
        stretches.push({ text: characters.slice(start, end).join(""), start, end, model, spelling, network: model + spelling })
        model = spelling = 0
      }
      place = this.network.read(place, token)
      await breathe()
    }
    const last = model - place.logs[BOUNDARY] / Math.LN2
    const before = sum(stretches.map(({ network }) => network)), total = before + last
    const figures = { bits_per_character: total / (length + 1), bits_per_character_without_end: before / length }
    return { stretches, parts: { network: { total, end: last, ...figures } } }
  }
}

// Models that lie beside the page, as base64 by name: each in a script, which a page that is opened as a file loads, too.
const packed = {}
const beside = (name, address) => new Promise((resolve, reject) => {
  const done = { onload: () => resolve(packed[name]), onerror: () => reject(new Error(`${address} cannot be loaded.`)) }
  document.head.append(made("script", "", { src: address, ...done }))
})

// The models of a page as asking.js wants them, each unpacked when it is asked. A row is [name, note, number, base64] or,
// where the model lies beside the page, [name, note, number, "", address].
const embedded = rows => rows.map(([name, note, number, base64, address]) => {
  let model = null
  const row = { name, note, number, waits: !base64, parts: { network: "network" } }
  const load = async () => {
    const content = base64 || await beside(name, address)
    row.note = ""
    return Model.from(content)
  }
  const loaded = () => model ??= load().catch(error => { model = null; throw error })
  const asked = what => async (...question) => (await loaded())[what](...question)
  return Object.assign(row, { write: asked("write"), expect: asked("expect"), price: asked("price") })
})
