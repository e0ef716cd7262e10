// A trained network in plain JavaScript: its weights unpacked, and one token read after another. The
// equations are those of textgen/models; sums are taken in float64 over weights in float32.

// The container that textgen/interactive/portable.py packs: its head, and the arrays by name.
async function unpacked(base64) {
  const packed = Uint8Array.from(atob(base64), c => c.charCodeAt(0))
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"))
  const bytes = await new Response(stream).arrayBuffer()
  const length = new DataView(bytes).getUint32(0, true), weights = {}
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 4, length)))
  let at = 4 + length
  for (const [name, step, rows, width = 1] of head.tensors) {
    const size = (step ? 1 : 2) * rows * width, part = bytes.slice(at, at += size)
    const data = step ? Float32Array.from(new Int8Array(part), number => number * step) : ofHalves(new Uint16Array(part))
    weights[name] = { data, rows, width }
  }
  return { ...head, weights }
}

// float16 → float32: the bias of an exponent is 15 there, and 127 here.
function ofHalves(halves) {
  const bits = Uint32Array.from(halves, half => (half & 0x8000) << 16 | (half & 0x7fff) << 13)
  return new Float32Array(bits.buffer).map(x => x * 2 ** 112)
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
  const total = most + Math.log(sum)
  return logits.map(x => x - total)
}

// Log-probabilities from the logits of frequent tokens and the tail as a whole, and of the tail's tokens.
function twoLevels(first, rest) {
  const frequent = logSoftmax(first), last = frequent.length - 1
  return Float64Array.from([...frequent.subarray(0, last), ...logSoftmax(rest).map(log => log + frequent[last])])
}

// Kinds of layers (a backbone's portable_cell): how many vectors a layer carries, and its step, from what adds the input
// to some sums, its weights and its state, to its next state, where its output comes first.
const CELLS = {
  lstm: [2, (input, weights, [h, c]) => {
    const n = h.length, z = product(input(biased(weights("bias"))), h, weights("recurrent"))
    const cell = c.map((x, j) => sigmoid(z[n + j]) * x + sigmoid(z[j]) * Math.tanh(z[2 * n + j]))
    return [cell.map((x, j) => sigmoid(z[3 * n + j]) * Math.tanh(x)), cell]
  }],
  gru: [1, (input, weights, [h]) => {
    const n = h.length, both = biased(weights("bias")), x = input(both.slice(0, 3 * n))
    const inner = product(both.slice(3 * n), h, weights("recurrent"))
    return [h.map((before, j) => {
      const update = sigmoid(x[j] + inner[j]), reset = sigmoid(x[n + j] + inner[n + j])
      return update * before + (1 - update) * Math.tanh(x[2 * n + j] + reset * inner[2 * n + j])
    })]
  }],
  mingru: [1, (input, weights, [h]) => {
    const x = input(biased(weights("bias"))), update = x.subarray(0, h.length).map(sigmoid)
    return [h.map((before, j) => (1 - update[j]) * before + update[j] * x[h.length + j])]
  }],
}

// The rows of a table for the n-grams of its orders that end at the last of some tokens (textgen/models/layers.py).
function * ngramRows({ orders, rows }, tokens) {
  let hash = 0
  for (const [back, token] of [...tokens].reverse().entries()) {
    hash = Math.imul(hash, 0x9E3779B1) + token + 1 | 0
    hash = Math.imul(hash ^ hash >>> 16, 0x85EBCA6B)
    hash = Math.imul(hash ^ hash >>> 13, 0xC2B2AE35)
    hash ^= hash >>> 16
    if (orders.includes(back + 1)) yield (hash >>> 0) % rows
  }
}

class Network {
  constructor({ network, weights }) { Object.assign(this, network, { weights }) }

  start() {
    const [carried] = CELLS[this.cell], zeros = width => Array.from({ length: carried }, () => new Float64Array(width))
    const orders = [this.ngrams, this.output_ngrams].flatMap(ngrams => ngrams ? ngrams.orders : [])
    return { states: this.units.map(zeros), recent: new Array(Math.max(1, ...orders) - 1).fill(0) }
  }

  // (a place, a token) → the place behind it, with the natural logarithm of P(next token) for all.
  read({ states, recent }, token) {
    const { embedding, projection } = this.weights, after = []
    let x = embedding && Float64Array.from(row(embedding, token))
    const last = [...recent, token]
    if (this.ngrams) for (const place of ngramRows(this.ngrams, last)) x = plus(x, row(this.weights.ngrams, place))
    states.forEach((state, i) => {
      const weights = name => this.weights[`${i}.${name}`], kernel = weights("kernel")
      const input = sums => x ? product(sums, x, kernel) : plus(sums, row(kernel, token)) // one-hot: a row
      after.push(CELLS[this.cell][1](input, weights, state))
      x = after[i][0]
    })
    if (projection) x = this.dense("projection", x)
    if (this.output_ngrams) {
      for (const place of ngramRows(this.output_ngrams, last)) x = plus(x, row(this.weights.output_ngrams, place))
    }
    return { states: after, recent: last.slice(1), logs: this.logs(x) }
  }

  dense(name, x) {
    const matrix = this.weights[name]
    return product(biased(this.weights[name + ".bias"], matrix.width), x, matrix)
  }

  logs(x) {
    const { beyond, embedding, head, output } = this.weights
    if (output) return logSoftmax(this.dense("output", x))
    if (head) return twoLevels(this.dense("head", x), this.dense("tail", this.dense("tail_projection", x)))
    const logits = biased(this.weights["output.bias"], embedding.rows) // tied
    for (let v = 0, at = 0; v < logits.length; v++) for (const value of x) logits[v] += embedding.data[at++] * value
    if (!beyond) return logSoftmax(logits)
    const first = [...logits.subarray(0, this.head), ...this.dense("beyond", x)]
    return twoLevels(Float64Array.from(first), logits.subarray(this.head))
  }
}
