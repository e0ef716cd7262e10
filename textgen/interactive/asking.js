"use strict"
// Models that are asked side by side: each continues a text, expects its next token, and says what the text costs it.
// They answer over HTTP (play.js) or compute in this page (portable.js), to write, expect and price (text, settings,
// signal), and have a name, note, number and parts (part → label); one that `waits` is large and loaded when it is first
// asked. An error's `at` is a place, [start, end) in characters.

const DELAY = 250 // milliseconds without a key before the models are asked what they expect
const HUES = 7

const made = (tag, textContent = "", properties = {}) => Object.assign(document.createElement(tag), { textContent, ...properties })
const button = (text, ariaLabel, onclick) => made("button", text, { type: "button", ariaLabel, onclick })

// Spaces, line ends and quotes of a text made visible.
const visible = text => JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"').replaceAll(" ", "␣")

// A text of the same length with a sign for each control character (textgen/core/errors.py).
const CONTROLS = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/g
const signs = text => text.replace(CONTROLS, c =>
  c < " " ? String.fromCharCode(0x2400 + c.charCodeAt(0)) : c === "\x7f" ? "\u2421" : "\ufffd")

// What a model pays for one of its stretches of a text, in words.
const figure = (bits, digits) => bits?.toFixed(digits) ?? "no"
function paid({ text, start, end, ...bits }, part) {
  const sum = bits[part], parts = bits.spelling ? `, ${figure(bits.spelling, 2)} of the network's bits are spelling` : ""
  return `\u2068${visible(text)}\u2069: ${figure(sum, 2)} bits, ${figure(sum / (end - start), 2)} per character${parts}`
}
const rate = ({ bits_per_character, bits_per_character_without_end }) =>
  `${figure(bits_per_character_without_end, 3)} bits per character without the end mark, ${figure(bits_per_character, 3)} with it`

// A model's column: its name, what it says, the tokens it expects, and a text: what it has written, or what it pays for.
class Column {
  constructor(model, { take, point }) {
    Object.assign(this, { model, take, prompt: "", stretches: [] })
    this.keep = button("Keep", `Keep what ${model.name} wrote`, () => take(this.prompt + this.text))
    this.more = button("Continue", `Let ${model.name} continue what it wrote`, () => take(this.prompt + this.text, this))
    this.note = made("p", model.note, { className: "note", role: "status" })
    this.next = made("ol", "", { className: "next" })
    this.shown = made("div", "", { className: "answer", tabIndex: 0, role: "group", ariaLabel: model.name })
    this.box = made("article", "", { className: `sample a${model.number % HUES}` })
    this.box.dataset.arm = model.number
    const header = made("header")
    header.append(made("h4", model.name), this.keep, this.more)
    this.box.append(header, this.note, this.next, this.shown)
    this.show()
    this.keep.disabled = this.more.disabled = true
    this.shown.onpointermove = this.shown.onclick = ({ target }) => { if ("start" in target) point(target.start) }
    this.shown.onkeydown = event => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key]
      const next = this.stretches[this.stretches.indexOf(this.on) + step]
      if (!next) return
      event.preventDefault()
      point(next.start)
    }
  }

  // What is wrong with a question, in the answer's place, with a button that selects the place in the text.
  refuse({ message, at }, field, what) {
    const text = field.value, units = n => [...text].slice(0, n).join("").length // JavaScript counts in UTF-16
    const line = made("p", message.split("\n")[0] + " ", { className: "wrong" })
    if (at?.[0] < at?.[1]) line.append(button("Select it", "", () => {
      if (field.value !== text) return
      field.focus()
      field.setSelectionRange(units(at[0]), units(at[1]))
    }))
    what === "expect" ? this.next.replaceChildren(line) : this.shown.append(line)
  }

  show(...parts) {
    this.shown.replaceChildren(...parts)
    this.note.textContent = this.model.note
    Object.assign(this, { text: "", stretches: [] })
  }

  async write(prompt, settings, signal) {
    const after = document.createTextNode("")
    this.show(made("span", signs(prompt), { className: "prompt" }), after)
    this.prompt = prompt
    for await (const piece of await this.model.write(prompt, settings, signal)) {
      signal.throwIfAborted()
      this.text += piece
      after.appendData(signs(piece))
      this.keep.disabled = this.more.disabled = false
    }
  }

  async expect(text, settings, signal) {
    const tokens = await this.model.expect(text, settings, signal)
    signal.throwIfAborted()
    this.next.replaceChildren(...tokens.map(([token, chance]) => {
      const longer = text.endsWith(" ") && token !== " " ? text + token.replace(/^ /, "") : text + token
      const percent = `${(100 * chance).toFixed(1)}%`, label = `${this.model.name}: add ${visible(token)} (${percent})`
      const item = made("li"), add = button(visible(token), label, ({ detail }) => {
        this.chosen = detail ? null : longer // by a key: the focus goes on to the next token
        this.take(longer, null, text)
      })
      add.disabled = /^<.+>$/.test(token) // stands for other text
      add.append(made("small", ` ${percent}`))
      item.append(add)
      return item
    }))
    if (this.chosen === text) this.next.querySelector("button:enabled")?.focus()
    this.chosen = null
  }

  async price(text, settings, signal) {
    this.show()
    this.keep.disabled = this.more.disabled = true
    const { stretches, parts } = await this.model.price(text, settings, signal)
    signal.throwIfAborted()
    this.part = settings.part in parts ? settings.part : "network"
    this.show(...stretches.map(({ text, start, end, [this.part]: bits }) =>
      made("i", signs(text), { start, style: `--bits:${Math.min(9, bits / (end - start)).toFixed(2)}` })))
    this.stretches = stretches
    const rates = Object.keys(parts).map(part => `${this.model.parts[part]} ${rate(parts[part])}`)
    this.note.textContent = "This text: " + rates.join("; ")
  }

  // Mark the stretch at a character, and say what it costs.
  point(character) {
    this.on = this.stretches.find(({ start, end }) => start <= character && character < end)
    this.stretches.forEach((stretch, i) => this.shown.children[i].classList.toggle("on", stretch === this.on))
    if (this.on) this.note.textContent = paid(this.on, this.part)
  }
}

function asking(models, chosen = "network") {
  const $ = id => document.getElementById("ask-" + id), field = $("text")
  let working = new AbortController(), expecting = working, timer = 0

  const settings = () => ({
    temperature: +$("temperature").value, length: +($("length").value || 400), top_k: +$("top_k").value,
    top_p: +($("top_p").value || 1), seed: +($("seed").value || $("seed").placeholder), part: $("part").value || "network",
  })
  const take = (text, writer, read = field.value) => {
    if (read !== field.value) return // more was typed than what the tokens follow
    field.value = text
    field.oninput()
    writer ? write([writer]) : field.focus()
  }
  const point = character => columns.forEach(column => column.point(character))
  const columns = models.map(model => new Column(model, { take, point }))
  const shown = () => columns.filter(({ box }) => box.offsetParent)

  // Asks columns for the same at the same time.
  const ask = (who, what, { signal }) => Promise.all(who.map(async column => {
    try { await column[what](field.value, settings(), signal) } catch (error) {
      signal.throwIfAborted()
      column.refuse(error, field, what)
      return true
    }
  }))

  // Writes or prices; what was being done is stopped.
  const work = async (what, who) => {
    working.abort()
    const mine = working = new AbortController()
    $("stop").disabled = false
    $("state").textContent = what === "write" ? "writing …" : "reading …"
    const said = refused => refused.length && refused.every(Boolean) ? "refused" : "done"
    const end = await ask(who, what, mine).then(said, () => "stopped")
    if (mine !== working) return
    $("state").textContent = end
    $("stop").disabled = true
  }
  const write = (who = shown()) => {
    $("seed").placeholder = Math.floor(Math.random() * 2 ** 31)
    work("write", who)
  }
  const expect = () => {
    expecting.abort()
    expecting = new AbortController()
    ask(shown(), "expect", expecting).catch(() => {})
  }

  $("form").onsubmit = event => { event.preventDefault(); write() }
  $("form").onchange = ({ target }) => {
    if (target === field) return
    if (target === $("part")) expect()
    work("write", shown()) // with the same seed
  }
  $("price").onclick = () => work("price", shown())
  $("stop").onclick = () => working.abort()
  $("temperature").oninput = () => { $("heat").textContent = (+$("temperature").value).toFixed(2) }
  field.oninput = () => {
    clearTimeout(timer)
    timer = setTimeout(expect, DELAY)
  }
  field.onkeydown = event => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return
    event.preventDefault()
    write()
  }
  $("models").replaceChildren(...columns.map(({ box }) => box))
  const parts = Object.entries(Object.assign({}, ...models.map(model => model.parts)))
  $("part").replaceChildren(...parts.map(([value, label]) => made("option", label, { value, selected: value === chosen })))
  $("part").parentElement.hidden = parts.length < 2
  $("form").parentElement.hidden = false
  if (models.some(({ waits }) => waits)) return // to be loaded: not before somebody asks
  new IntersectionObserver(([{ isIntersecting }], observer) => {
    if (!isIntersecting) return
    observer.disconnect()
    expect()
    write()
  }).observe($("form"))
}
