"use strict"

const $ = id => document.getElementById(id)
const DELAY = 250 // milliseconds without a key before the models are asked what they expect
let models = [], writing = null, expecting = null, paying = null, written = false, choosing = false

const chosen = () => models.filter((_, i) => $("model-" + i).checked).map(model => model.name)
const settings = () => ({
  temperature: +$("temperature").value, length: +$("length").value || 400, top_k: +$("top_k").value,
  top_p: +$("top_p").value || 1, memory: $("memory").checked,
})

async function asked(what, question, signal) {
  const answer = await fetch(what, { method: "POST", body: JSON.stringify(question), signal }).catch(error => {
    throw error.name === "AbortError" ? error : new Error("No answer: start textgen play again, and open its new address.")
  })
  if (answer.ok) return answer
  const body = await answer.text()
  let message = body
  try { message = JSON.parse(body).error } catch { /* plain text */ }
  throw new Error(message)
}

// Characters that a model cannot read

// Select [start, end), in characters, of a field; JavaScript counts in UTF-16
function mark(field, [start, end]) {
  const units = n => [...field.value].slice(0, n).join("").length
  field.focus()
  field.setSelectionRange(units(start), units(end))
}

// What is wrong with the text of a field, with a button that shows the place
function wrong(field, { error, at }, name) {
  const box = made("p", undefined, "wrong"), text = field.value
  box.append(name ? name + ": " + error : error)
  if (at && at[0] < at[1]) {
    const show = made("button", "Show the place")
    show.type = "button"
    show.onclick = () => { if (field.value === text) mark(field, at) }
    box.append(" ", show)
  }
  return box
}

// What they write

function columns(names, text) {
  const found = {}
  $("answers").replaceChildren(...names.map(name => {
    const box = made("article", undefined, "answer busy"), shown = made("p")
    const before = made("span", signs(text), "before"), after = growing(), keep = made("button", "Keep this")
    keep.type = "button"
    keep.disabled = true
    keep.setAttribute("aria-label", "Keep what " + name + " wrote")
    keep.onclick = () => { take(text + after.text); $("text").focus() }
    shown.append(before, after.span)
    const more = made("button", "Continue")
    more.type = "button"
    more.disabled = true
    more.setAttribute("aria-label", "Keep it, and let " + name + " continue")
    more.onclick = () => { take(text + after.text); write([name]); $("stop").focus() }
    const buttons = made("div", undefined, "actions")
    buttons.append(keep, more)
    box.append(made("h3", name), shown, buttons)
    found[name] = { box, after, keep, more }
    return box
  }))
  return found
}

async function write(names = chosen(), sameSeed = false) {
  writing?.abort()
  if (!names.length) {
    $("state").textContent = "Tick a model above first."
    return
  }
  const mine = writing = new AbortController()
  const text = $("text").value, found = columns(names, text)
  if (!sameSeed) newSeed($("seed"))
  written = true
  $("stop").disabled = false
  $("state").textContent = "writing …"
  const ended = name => {
    const { box, after, keep, more } = found[name]
    box.classList.remove("busy")
    keep.disabled = more.disabled = !after.text
  }
  const line = ({ model, text: piece, error, at, done }) => {
    if (piece) found[model].after.add(piece)
    if (error) found[model].box.append(wrong($("text"), { error, at }))
    if (at && $("text").value === text) mark($("text"), at)
    if (done || error) ended(model)
  }
  try {
    const question = { models: names, text, settings: settings(), seed: +($("seed").value || $("seed").placeholder) }
    const answer = await asked("write", question, mine.signal)
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader()
    for (let left = ""; ;) {
      const { value, done } = await reader.read()
      if (done) break
      const lines = (left + value).split("\n")
      left = lines.pop()
      lines.forEach(each => line(JSON.parse(each)))
    }
    $("state").textContent = "done"
  } catch (error) {
    if (mine === writing) {
      $("state").textContent = error.name === "AbortError" ? "stopped" : error.message
      if (!names.some(name => found[name].after.text)) $("answers").replaceChildren()
    }
  }
  if (mine !== writing) return
  Object.keys(found).forEach(ended)
  $("stop").disabled = true
}

function take(text) {
  $("text").value = text
  later()
}

// What they expect

let timer = 0
function later() {
  clearTimeout(timer)
  timer = setTimeout(expect, DELAY)
}

async function expect() {
  expecting?.abort()
  const mine = expecting = new AbortController(), names = chosen(), text = $("text").value, box = $("next")
  box.classList.add("busy")
  box.querySelectorAll("button").forEach(button => { button.disabled = true })
  try {
    const question = { models: names, text, settings: { memory: $("memory").checked } }
    const found = await (await asked("expect", question, mine.signal)).json()
    if (mine !== expecting) return
    $("expecting").replaceChildren(...names.filter(name => found[name].error).map(name => wrong($("text"), found[name], name)))
    const choose = longer => { choosing = true; take(longer); expect() }
    box.replaceChildren(...names.filter(name => !found[name].error)
      .map(name => nextTokens(name, found[name].tokens, text, choose)))
    if (choosing) (box.querySelector("button:enabled") ?? $("text")).focus()
    choosing = false
  } catch (error) {
    if (mine !== expecting) return
    $("expecting").textContent = error.message
    box.replaceChildren()
  }
  box.classList.remove("busy")
}

// What the text costs

async function pay() {
  paying?.abort()
  const mine = paying = new AbortController(), names = chosen(), text = $("passage").value
  if (!names.length) {
    $("paying").textContent = "Tick a model above first."
    return
  }
  $("paying").textContent = "reading …"
  try {
    const found = await (await asked("pay", { models: names, text }, mine.signal)).json()
    if (mine !== paying) return
    const refused = names.filter(name => found[name].error), at = refused.length && found[refused[0]].at
    $("paying").replaceChildren(...refused.map(name => wrong($("passage"), found[name], name)))
    if (at && at[0] < at[1] && $("passage").value === text) mark($("passage"), at)
    const told = names.filter(name => !found[name].error)
    $("cost").hidden = !told.length
    if (!told.length) return
    totals(told, found)
    const stretches = Object.fromEntries(told.map(name => [name, found[name].stretches]))
    aligned({ shade: $("shade"), box: $("paid"), table: $("here") }, text, stretches)
  } catch (error) { if (mine === paying) $("paying").textContent = error.message }
}

function totals(names, found) {
  const figure = x => x === null ? "–" : x.toFixed(3)
  head($("totals"), ["", "network alone", "with memory"])
  $("totals").tBodies[0].replaceChildren(...names.map(name => {
    const line = made("tr"), first = made("th", name)
    first.scope = "row"
    line.append(first, made("td", figure(found[name].bits_per_character)), made("td", figure(found[name].with_memory)))
    return line
  }))
}

// What is pressed

$("ask").onsubmit = event => { event.preventDefault(); write() }
$("pay").onsubmit = event => { event.preventDefault(); pay() }
$("text").onkeydown = event => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault()
    write()
  }
}
$("text").oninput = later
$("stop").onclick = () => writing?.abort()
$("temperature").oninput = () => { $("shown-temperature").value = (+$("temperature").value).toFixed(2) }
for (const id of ["temperature", "length", "top_k", "top_p", "seed", "memory"])
  $(id).addEventListener("change", () => {
    if (id === "memory") expect()
    if (written) write(chosen(), true)
  })
fetch("models").then(answer => answer.json()).then(found => {
  models = found
  models.forEach((model, i) => {
    const label = made("label"), box = made("input"), bits = model.bits_per_character
    box.type = "checkbox"
    box.checked = true
    box.id = "model-" + i
    box.onchange = expect
    const told = `${model.tokens}, ${model.vocabulary.toLocaleString("en")} tokens` +
      (bits === null ? "" : `, ${bits.toFixed(3)} bits per character`)
    label.append(box, " ", made("b", model.name), " ", made("small", told))
    $("models").append(label)
  })
  $("memory").disabled = !models.some(model => model.memory)
  expect()
})
