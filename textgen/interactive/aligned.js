"use strict"
// One text, and what several models pay for it, aligned on its characters: colours, and a table under
// the pointer or the arrow keys. Shared by the page on which models are asked and by reports.

const made = (name, text, cls) => {
  const element = document.createElement(name)
  if (text !== undefined) element.textContent = text
  if (cls) element.className = cls
  return element
}

// Spaces, line ends and quotes of a text made visible.
const visible = text => JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"').replaceAll(" ", "␣")

// A text of the same length with a sign for each control character (textgen/core/signs.py).
const CONTROLS = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/g
const signs = text => text.replace(CONTROLS, c =>
  c < " " ? String.fromCharCode(0x2400 + c.charCodeAt(0)) : c === "\x7f" ? "\u2421" : "\ufffd")

// A new seed for a field that may be left empty; the field shows it, so that it can be used again.
const newSeed = field => field.placeholder = Math.floor(Math.random() * 2 ** 31)

// A text that grows, as it is and as it is shown.
function growing() {
  const span = made("span"), shown = document.createTextNode("")
  span.append(shown)
  return { span, text: "", add(piece) { this.text += piece; shown.appendData(signs(piece)) } }
}

// One model's next tokens as a list, [name, probability] each; take(text) is called with the text so far and the one
// pressed. What stands for other text, in <angle brackets>, cannot be taken.
function nextTokens(name, tokens, before, take) {
  const box = made("article", undefined, "sample"), list = made("ol", undefined, "next")
  for (const [token, probability] of tokens) {
    const line = made("li"), button = made("button", visible(token))
    button.type = "button"
    button.setAttribute("aria-label", `${name}: take ${visible(token)}`)
    button.disabled = /^<.+>$/.test(token)
    button.onclick = () => take(before.endsWith(" ") && token.startsWith(" ") ? before + token.slice(1) : before + token)
    line.append(button, made("span", (100 * probability).toFixed(1) + " %"))
    list.append(line)
  }
  box.append(made("h4", name), list)
  return box
}

function head(table, names) {
  const row = made("tr")
  for (const name of names) {
    const cell = made("th", name)
    cell.scope = "col"
    row.append(cell)
  }
  table.tHead.replaceChildren(row)
}

// stretches: name → [start, end, model bits, spelling bits, bits with memory or nothing] in order, in
// code points. A stretch's bits lie evenly on its characters. parts: shade, a <select>; box, for the
// text; table, for what is paid at a place.
function aligned({ shade, box, table }, text, stretches) {
  const names = Object.keys(stretches), points = [...text], cuts = new Set([0, points.length])
  for (const name of names) for (const [start, end] of stretches[name]) cuts.add(start).add(end)
  const places = [...cuts].sort((a, b) => a - b), next = Object.fromEntries(names.map(name => [name, 0]))
  const density = stretch => stretch ? (stretch[2] + stretch[3]) / (stretch[1] - stretch[0]) : 0
  const parts = places.slice(0, -1).map((start, i) => {
    const own = {}
    for (const name of names) {
      const list = stretches[name]
      while (next[name] < list.length - 1 && list[next[name]][1] <= start) next[name]++
      own[name] = list[next[name]]
    }
    return { start, text: points.slice(start, places[i + 1]).join(""), own }
  })
  const spans = parts.map((part, i) => {
    const span = made("span", signs(part.text))
    span.dataset.i = i
    return span
  })
  box.replaceChildren(...spans)

  const before = shade.value
  const kinds = [...names.map(name => [name]), ...names.flatMap((a, i) => names.slice(i + 1).map(b => [a, b]))]
  shade.replaceChildren(...kinds.map(kind => {
    const option = made("option", kind.join(" − "))
    option.value = JSON.stringify(kind)
    return option
  }))
  if ([...shade.options].some(option => option.value === before)) shade.value = before
  const colour = () => {
    const [a, b] = JSON.parse(shade.value)
    parts.forEach((part, i) => {
      const bits = density(part.own[a]) - (b ? density(part.own[b]) : 0)
      spans[i].classList.toggle("less", bits < 0)
      spans[i].style.setProperty("--more", Math.min(0.75, Math.abs(bits) / (b ? 6 : 9)).toFixed(3))
    })
  }
  shade.onchange = colour
  colour()

  const memory = names.some(name => stretches[name].some(each => typeof each[4] === "number"))
  const two = x => typeof x === "number" ? x.toFixed(2) : "–"
  let at = 0
  const here = i => {
    if (!parts[i]) return
    spans[at].classList.remove("on")
    spans[at = i].classList.add("on")
    table.caption.textContent = "At character " + (parts[i].start + 1) + ": " + visible(parts[i].text)
    head(table, ["", "stretch", "model", "+ spelling", "= bits", "a character", ...memory ? ["with memory"] : []])
    table.tBodies[0].replaceChildren(...names.map(name => {
      const own = parts[i].own[name], line = made("tr"), first = made("th", name)
      first.scope = "row"
      const [start, end, model, spelling, remembered] = own ?? [0, 0]
      line.append(first, made("td", visible(points.slice(start, end).join("")), "text"), made("td", two(model)),
        made("td", two(spelling)), made("td", two(model + spelling)), made("td", two(density(own))))
      if (memory) line.append(made("td", two(remembered)))
      return line
    }))
  }
  here(0)
  box.onpointermove = event => {
    const i = event.target.dataset?.i
    if (i !== undefined && +i !== at) here(+i)
  }
  box.onkeydown = event => {
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 10, ArrowUp: -10, Home: -1e9, End: 1e9 }[event.key]
    if (!step) return
    event.preventDefault()
    here(Math.max(0, Math.min(parts.length - 1, at + step)))
    spans[at].scrollIntoView({ block: "nearest" })
  }
}
