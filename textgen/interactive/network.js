"use strict"
// A trained network in plain JavaScript: its weights unpacked, and one token read after another. The
// equations are those of textgen/models; sums are taken in float64 over weights in float32.

// The container that textgen/interactive/portable.py makes, as its head and arrays by name.
async function unpacked(base64) {
  const text = atob(base64), packed = new Uint8Array(text.length)
  for (let i = 0; i < text.length; i++) packed[i] = text.charCodeAt(i)
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"))
  const bytes = await new Response(stream).arrayBuffer()
  const length = new DataView(bytes).getUint32(0, true)
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 4, length)))
  const weights = {}
  let at = 4 + length
  for (const { name, shape, type, step } of head.tensors) {
    const size = shape.reduce((a, b) => a * b, 1), width = { int8: 1, float16: 2, float32: 4 }[type]
    const part = bytes.slice(at, at += size * width)
    const data = type === "float32" ? new Float32Array(part) : new Float32Array(size)
    if (type === "int8") new Int8Array(part).forEach((code, i) => { data[i] = code * step })
    if (type === "float16") new Uint16Array(part).forEach((code, i) => { data[i] = half(code) })
    weights[name] = { data, rows: shape[0], width: shape[1] ?? 1 }
  }
  return { ...head, weights }
}

// IEEE 754 binary16 → number.
function half(code) {
  const exponent = code >> 10 & 31, fraction = code & 1023
  const size = exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -14 * fraction / 1024
  return code >> 15 ? -size : size
}

// sums + x · matrix, for x of the matrix's rows.
function product(sums, x, { data, width }) {
  for (let i = 0, at = 0; i < x.length; i++, at += width) {
    const value = x[i]
    if (value) for (let j = 0; j < width; j++) sums[j] += value * data[at + j]
  }
  return sums
}

const row = ({ data, width }, number) => data.subarray(number * width, (number + 1) * width)
const plus = (x, y) => x.map((value, i) => value + y[i])
const biased = (bias, width) => bias ? Float64Array.from(bias.data) : new Float64Array(width)
const sigmoid = x => 1 / (1 + Math.exp(-x))

function logSoftmax(logits) {
  let most = -Infinity, sum = 0
  for (const x of logits) if (x > most) most = x
  for (const x of logits) sum += Math.exp(x - most)
  const off = most + Math.log(sum)
  return logits.map(x => x - off)
}

// (input or, of one-hot vectors, the number of the one; weights and state of a layer) → its next state.
const CELLS = {
  lstm(input, weights, [h, c]) {
    const n = h.length, z = product(input(biased(weights("bias"))), h, weights("recurrent"))
    const cell = c.map((x, j) => sigmoid(z[n + j]) * x + sigmoid(z[j]) * Math.tanh(z[2 * n + j]))
    return [cell.map((x, j) => sigmoid(z[3 * n + j]) * Math.tanh(x)), cell]
  },
  gru(input, weights, [h]) {
    const n = h.length, both = weights("bias").data, x = input(Float64Array.from(both.subarray(0, 3 * n)))
    const inner = product(Float64Array.from(both.subarray(3 * n)), h, weights("recurrent"))
    return [h.map((before, j) => {
      const update = sigmoid(x[j] + inner[j]), reset = sigmoid(x[n + j] + inner[n + j])
      return update * before + (1 - update) * Math.tanh(x[2 * n + j] + reset * inner[2 * n + j])
    })]
  },
  mingru(input, weights, [h]) {
    const n = h.length, x = input(biased(weights("bias")))
    return [h.map((before, j) => {
      const update = sigmoid(x[j])
      return (1 - update) * before + update * x[n + j]
    })]
  },
}

class Network {
  constructor({ network, weights }) {
    Object.assign(this, network)
    this.weights = weights
  }

  start() {
    const zeros = width => new Float64Array(width)
    const states = this.units.map(width => this.cell === "lstm" ? [zeros(width), zeros(width)] : [zeros(width)])
    return { states, recent: new Array(this.ngrams ? Math.max(...this.ngrams.orders) - 1 : 0).fill(0) }
  }

  // (a place, a token) → the place behind it, with the natural logarithm of P(next token) for all.
  read({ states, recent }, token) {
    const { embedding } = this.weights, after = []
    let x = embedding && Float64Array.from(row(embedding, token))
    if (this.ngrams) for (const place of this.rows([...recent, token])) x = plus(x, row(this.weights.ngrams, place))
    states.forEach((state, i) => {
      const weights = name => this.weights[`${i}.${name}`], kernel = weights("kernel")
      const input = sums => x ? product(sums, x, kernel) : plus(sums, row(kernel, token))
      after.push(CELLS[this.cell](input, weights, state))
      x = after[i][0]
    })
    const { projection } = this.weights
    if (projection) x = product(biased(this.weights["projection.bias"], projection.width), x, projection)
    return { states: after, recent: [...recent, token].slice(1), logs: this.logs(x) }
  }

  // The table's row of the n-gram of each order that ends at the last token (textgen/models/backbones/ngrams.py).
  rows(tokens) {
    const found = []
    let hash = 0
    for (let back = 1; back <= tokens.length; back++) {
      hash = Math.imul(hash, 0x9E3779B1) + tokens[tokens.length - back] + 1 | 0
      hash = Math.imul(hash ^ hash >>> 16, 0x85EBCA6B)
      hash = Math.imul(hash ^ hash >>> 13, 0xC2B2AE35)
      hash ^= hash >>> 16
      if (this.ngrams.orders.includes(back)) found.push((hash >>> 0) % this.ngrams.rows)
    }
    return found
  }

  logs(x) {
    const { weights, head } = this, dense = name => product(biased(weights[name + ".bias"], weights[name].width), x, weights[name])
    if (!this.tied && !head) return logSoftmax(dense("output"))
    if (!this.tied) {
      const tail = product(new Float64Array(weights.tail_projection.width), x, weights.tail_projection)
      return joined(dense("head"), product(biased(weights["tail.bias"]), tail, weights.tail), head)
    }
    const { embedding } = weights, logits = biased(weights["output.bias"], embedding.rows)
    for (let v = 0, at = 0; v < logits.length; v++) {
      let sum = 0
      for (let i = 0; i < x.length; i++, at++) sum += embedding.data[at] * x[i]
      logits[v] += sum
    }
    if (!head) return logSoftmax(logits)
    const first = new Float64Array(head + 1)
    first.set(logits.subarray(0, head))
    first[head] = dense("beyond")[0]
    return joined(first, logits.subarray(head), head)
  }
}

// A softmax on two levels: the frequent tokens and the tail as a whole, and the tail's tokens.
function joined(first, tail, head) {
  const frequent = logSoftmax(first), rare = logSoftmax(tail), found = new Float64Array(head + tail.length)
  found.set(frequent.subarray(0, head))
  rare.forEach((x, i) => { found[head + i] = frequent[head] + x })
  return found
}
