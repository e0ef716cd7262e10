"use strict"
// The word-spelling model of textgen/tokenizers/words/spelling.py: P(word | class), a mixture of the
// training words of the class and of character n-grams. A word is a string of codes: 0 begins and ends
// it, 1 stands for a character that training never saw, and 2 and up for those of the alphabet.

const END = "\0", OTHER = "\x01", FIRST_CODE = 2, OWN = 200, LONGEST_WORD = 200, TRIES = 100
const CHARACTER_BITS = Math.log2(0x110000)

// Interpolated modified Kneser–Ney (Chen & Goodman 1999) over words, each counted once.
class KneserNey {
  constructor(words, order, size) {
    this.size = size
    const counts = Array.from({ length: order }, () => new Map())
    const add = (level, context, code, count) => {
      if (!level.has(context)) level.set(context, new Map())
      const after = level.get(context)
      after.set(code, (after.get(code) ?? 0) + count)
    }
    for (const word of words) {
      const whole = END + word + END
      for (let i = 1; i < whole.length; i++) {
        for (let n = 0; n < order && n <= i; n++) add(counts[n], whole.slice(i - n, i), whole[i], 1)
      }
    }
    this.levels = counts.map((level, n) => {
      const found = new Map()
      if (n === order - 1) level.forEach((after, context) => found.set(context, after))
      else counts[n + 1].forEach((after, context) => {  // how many different codes stand before
        for (const code of after.keys()) add(found, context.slice(1), code, 1)
      })
      if (n) level.forEach((after, context) => { if (context[0] === END) found.set(context, after) })
      return estimated(found)
    })
  }

  // P of every code behind a beginning: (size,) in the order of codes.
  after(prefix) {
    const found = new Float64Array(this.size).fill(1 / this.size), before = END + prefix
    for (let n = 0; n < this.levels.length && n <= before.length; n++) {
      const context = this.levels[n].get(n ? before.slice(-n) : "")
      if (!context) break
      for (let i = 0; i < found.length; i++) found[i] *= context.backoff
      context.seen.forEach((share, code) => { found[code.charCodeAt(0)] += share })
    }
    return found
  }

  mass(word) {
    const whole = END + word + END
    let mass = 1
    for (let i = 1; i < whole.length; i++) {
      let chance = 1 / this.size
      for (let n = 0; n < this.levels.length && n <= i; n++) {
        const context = this.levels[n].get(whole.slice(i - n, i))
        if (!context) break
        chance = chance * context.backoff + (context.seen.get(whole[i]) ?? 0)
      }
      mass *= chance
    }
    return mass
  }
}

function estimated(level) {
  const of = [0, 0, 0, 0, 0]
  level.forEach(after => after.forEach(count => { if (count < 5) of[count]++ }))
  let discounts = [0.5, 1, 1.5]
  if (of[1] && of[2] && of[3] && of[4]) {
    const y = of[1] / (of[1] + 2 * of[2])
    const found = [1, 2, 3].map(r => r - (r + 1) * y * of[r + 1] / of[r])
    if (Math.min(...found) > 0) discounts = found
  }
  const removed = count => discounts[Math.min(count, 3) - 1]
  const found = new Map()
  level.forEach((after, context) => {
    let total = 0, off = 0
    after.forEach(count => { total += count; off += removed(count) })
    const seen = new Map()
    after.forEach((count, code) => seen.set(code, (count - removed(count)) / total))
    found.set(context, { backoff: off / total, seen })
  })
  return found
}

// The words outside a vocabulary, by character n-grams.
class Outside {
  constructor(words, vocabulary, order, size) {
    this.model = new KneserNey(words, order, size)
    this.vocabulary = vocabulary
    this.masses = vocabulary.map(word => this.model.mass(word))
    this.left = Math.max(1 - this.masses.reduce((a, b) => a + b, 0), 1e-12)
  }

  mass(word) { return this.model.mass(word) / this.left }

  continuations(prefix) {
    let whole = 1
    for (let i = 0; i < prefix.length; i++) whole *= this.model.after(prefix.slice(0, i))[prefix.charCodeAt(i)]
    const found = this.model.after(prefix).map(chance => chance * whole / this.left)
    for (let i = below(this.vocabulary, prefix); i < this.vocabulary.length; i++) {
      const word = this.vocabulary[i]
      if (!word.startsWith(prefix)) break
      found[word.charCodeAt(prefix.length) || 0] -= this.masses[i] / this.left
    }
    return found.map(mass => Math.max(mass, 0))
  }
}

function below(sorted, wanted) {
  let low = 0, high = sorted.length
  while (low < high) {
    const middle = low + high >> 1
    sorted[middle] < wanted ? low = middle + 1 : high = middle
  }
  return low
}

// Given words, by how often they occurred.
class Pool {
  constructor(counts, size) {
    this.counts = counts
    this.size = size
    this.total = [...counts.values()].reduce((a, b) => a + b, 0)
  }

  mass(word) { return (this.counts.get(word) ?? 0) / this.total }

  continuations(prefix) {
    const found = new Float64Array(this.size)
    this.counts.forEach((count, word) => {
      if (word.startsWith(prefix)) found[word.charCodeAt(prefix.length) || 0] += count / this.total
    })
    return found
  }
}

class Speller {
  // alphabet: its characters in order; vocabulary: words that are never spelled; related: known words.
  constructor({ alphabet, examples, pooled, order, weights }, vocabulary, related) {
    Object.assign(this, { examples, pooled, order, shares: weights })
    this.alphabet = [...alphabet]
    this.codes = new Map(this.alphabet.map((c, i) => [c, String.fromCharCode(FIRST_CODE + i)]))
    this.size = FIRST_CODE + this.alphabet.length
    this.vocabulary = this.coded(vocabulary).filter(code => !code.includes(OTHER))
    this.known = this.coded([...related, ...Object.values(examples).flatMap(words => Object.keys(words))])
    this.mixtures = {}
  }

  code(word) { return [...word].map(c => this.codes.get(c) ?? OTHER).join("") }
  coded(words) { return [...new Set(words.map(word => this.code(word)))].sort() }

  // [weight, component] of a class.
  mixture(name) {
    if (!this.mixtures[name]) {
      const n_grams = words => new Outside(words, this.vocabulary, this.order, this.size)
      this.shared ??= n_grams(this.known)
      const words = Object.entries(this.examples[name] ?? {}).map(([word, count]) => [this.code(word), count])
      const pool = words.length && this.pooled ? new Pool(new Map(words), this.size) : null
      const own = words.length >= OWN ? n_grams(words.map(([word]) => word)) : null
      const shares = this.shares[name] ?? this.shares[""]
      const pairs = [pool, own, this.shared].map((part, i) => [shares[i], part]).filter(([, part]) => part)
      const total = pairs.reduce((sum, [share]) => sum + share, 0)
      this.mixtures[name] = total ? pairs.filter(([share]) => share).map(([share, part]) => [share / total, part]) : [[1, this.shared]]
    }
    return this.mixtures[name]
  }

  // −log2 P(word | class), a character never seen named outright.
  bits(word, name) {
    const code = this.code(word)
    const mass = this.mixture(name).reduce((sum, [share, part]) => sum + share * part.mass(code), 0)
    return CHARACTER_BITS * (code.split(OTHER).length - 1) - Math.log2(mass)
  }

  // A word with the probability that bits() charges, among those of known characters.
  drawn(name, random) {
    let word = ""
    for (let tries = 0; tries < TRIES; tries++) {
      for (word = ""; word.length < LONGEST_WORD;) {
        const masses = new Float64Array(this.size)
        for (const [share, part] of this.mixture(name)) part.continuations(word).forEach((mass, i) => { masses[i] += share * mass })
        const choice = String.fromCharCode(oneOf(masses, random))
        if (choice === END) return this.written(word)
        if (choice === OTHER) break
        word += choice
      }
    }
    return this.written(word)
  }

  written(word) { return word.split("").map(code => this.alphabet[code.charCodeAt(0) - FIRST_CODE]).join("") }
}

// The place of one of some masses, drawn in proportion to them.
function oneOf(masses, random) {
  let left = masses.reduce((a, b) => a + b, 0) * random()
  for (let i = 0; i < masses.length; i++) if ((left -= masses[i]) < 0) return i
  return masses.findLastIndex(mass => mass > 0)
}
