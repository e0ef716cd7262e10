// The word-spelling model of textgen/tokenizers/spelling.py: P(word | class), a mixture of the training
// words of the class and of character n-grams. A word is a string of codes: 0 begins and ends it, 1 stands for
// a character that training never saw, and 2 and up for those of the alphabet.

const END = "\0", OTHER = "\x01", FIRST_CODE = 2, MIN_TYPES_FOR_OWN_MODEL = 200, LONGEST_WORD = 200, TRIES = 100
const CHARACTER_BITS = Math.log2(0x110000)

const sum = numbers => numbers.reduce((a, b) => a + b, 0)

// One of some masses, drawn in proportion to them: its place.
function oneOf(masses, random) {
  let left = sum(masses) * random()
  const place = masses.findIndex(mass => (left -= mass) < 0)
  return place < 0 ? masses.findLastIndex(mass => mass > 0) : place
}

const CAPITAL = 3, UPPER = 4, CASES = [0, CAPITAL, UPPER]
const inFirst = (word, change) => { const [first = "", ...rest] = word; return change(first) + rest.join("") }
const upper = text => text.toUpperCase(), lower = text => text.toLowerCase()
const recased = (word, modifier) => modifier === UPPER ? upper(word) : modifier === CAPITAL ? inFirst(word, upper) : word
// The modifier and the lower-cased form of a word with capitals, if they restore it.
const folded = word => [[CAPITAL, inFirst(word, lower)], [UPPER, lower(word)]]
  .find(([modifier, small]) => small !== word && recased(small, modifier) === word && small === lower(small)) ?? [0, word]

// Interpolated modified Kneser–Ney (Chen & Goodman 1999) over words, each counted once.
function kneserNey(words, order, size) {
  const counts = Array.from({ length: order }, () => new Map())
  const add = (level, context, code, count) => {
    if (!level.has(context)) level.set(context, new Map())
    level.get(context).set(code, (level.get(context).get(code) ?? 0) + count)
  }
  for (const whole of words.map(word => END + word + END)) {
    for (let i = 1; i < whole.length; i++) {
      for (let n = 0; n < order && n <= i; n++) add(counts[n], whole.slice(i - n, i), whole[i], 1)
    }
  }
  // below the highest order it counts how many different codes stand before, but for what begins a word
  const levels = counts.map((level, n) => {
    const own = new Map([...level].filter(([context]) => n === order - 1 || context[0] === END))
    counts[n + 1]?.forEach((after, context) => {
      if (!n || context[1] !== END) for (const code of after.keys()) add(own, context.slice(1), code, 1)
    })
    return discounted(own)
  })

  // P of a code behind the beginning of a word
  const chance = (prefix, code) => {
    const before = END + prefix
    let chance = 1 / size
    for (let n = 0; n < order && n <= before.length; n++) {
      const context = levels[n].get(before.slice(before.length - n))
      if (!context) break
      chance = chance * context.backoff + (context.seen.get(code) ?? 0)
    }
    return chance
  }
  const codes = Array.from({ length: size }, (_, code) => String.fromCharCode(code))
  return {
    // log2 P of all words that begin so; of one word, with its end
    log: start => sum([...start].map((code, i) => Math.log2(chance(start.slice(0, i), code)))),
    drawn(start, random) {
      const code = start.length < LONGEST_WORD ? codes[oneOf(codes.map(code => chance(start, code)), random)] : END
      return code === END ? start : this.drawn(start + code, random)
    },
  }
}

// context → the share of each code that was seen behind it, discounted, and what that leaves to shorter contexts.
function discounted(level) {
  const of = [0, 0, 0, 0, 0]
  level.forEach(after => after.forEach(count => { if (count < 5) of[count]++ }))
  const y = of[1] / (of[1] + 2 * of[2]), own = [1, 2, 3].map(r => r - (r + 1) * y * of[r + 1] / of[r])
  const discounts = of.slice(1).every(Boolean) && Math.min(...own) > 0 ? own : [0.5, 1, 1.5]
  const removed = count => discounts[Math.min(count, 3) - 1]
  return new Map([...level].map(([context, after]) => {
    const counts = [...after.values()], total = sum(counts)
    const seen = new Map([...after].map(([code, count]) => [code, (count - removed(count)) / total]))
    return [context, { seen, backoff: sum(counts.map(removed)) / total }]
  }))
}

// What a mixture is made of gives log(word), its log2 P, and draws words: drawn(random).

const begins = (word, [first, ...longer]) => word.startsWith(first) && !longer.some(other => word.startsWith(other))

// The words of a class that are outside a vocabulary, by character n-grams; see OutOfVocabulary of spelling.py.
function outside(model, vocabulary, beginnings) {
  const [first, ...longer] = beginnings, known = new Set(vocabulary.filter(word => begins(word, beginnings)))
  const mass = start => 2 ** model.log(start), whole = mass(first), others = [...longer, ...[...known].map(word => word + END)]
  const left = Math.max(whole - sum(others.map(mass)), 1e-12 * whole)
  return {
    log: word => model.log(word + END) - Math.log2(left),
    drawn(random, tries = TRIES) {
      const word = model.drawn(first, random), own = begins(word, beginnings) && !known.has(word)
      return own || !tries ? word : this.drawn(random, tries - 1)
    },
  }
}

// Given words, by how often they occurred.
function pool(counts) {
  const words = [...counts.keys()], numbers = [...counts.values()], total = sum(numbers)
  return { log: word => Math.log2((counts.get(word) ?? 0) / total), drawn: random => words[oneOf(numbers, random)] }
}

class Speller {
  // alphabet: its characters in order; never: words that are never spelled; related: known words; signs: of CASES, if words
  // are spelled backwards behind one; beginnings: class → those of outside().
  constructor({ alphabet, examples, order, ...settings }, never, related) {
    this.alphabet = [...alphabet]
    this.codes = new Map(this.alphabet.map((c, i) => [c, String.fromCharCode(FIRST_CODE + i)]))
    Object.assign(this, settings, { examples, mixtures: {} })
    const coded = words => [...new Set(words.map(word => this.code(word)))].sort()
    this.vocabulary = coded(never).filter(code => !code.includes(OTHER))
    this.nGrams = words => kneserNey(words, order, FIRST_CODE + this.alphabet.length)
    this.shared = this.nGrams(coded([...related, ...Object.values(examples).flatMap(Object.keys)]))
  }

  code(word) {
    const [modifier, small] = folded(word)
    const letters = this.signs ? [this.signs[CASES.indexOf(modifier)], ...[...small].reverse()] : word
    return Array.from(letters, c => this.codes.get(c) ?? OTHER).join("")
  }

  word(code) {
    const letters = Array.from(code, c => this.alphabet[c.charCodeAt(0) - FIRST_CODE])
    const modifier = this.signs && CASES[this.signs.indexOf(letters.shift())]
    return recased((this.signs ? letters.reverse() : letters).join(""), modifier)
  }

  // [weight, component] of a class.
  mixture(name) { return this.mixtures[name] ??= this.newMixture(name) }

  newMixture(name) {
    const counts = new Map(Object.entries(this.examples[name] ?? {}).map(([word, count]) => [this.code(word), count]))
    const spelled = model => outside(model, this.vocabulary, this.beginnings[name])
    const known = counts.size && this.pooled ? pool(counts) : null
    const own = counts.size >= MIN_TYPES_FOR_OWN_MODEL ? spelled(this.nGrams([...counts.keys()])) : null
    const weights = this.weights[name] ?? this.weights[""], all = [known, own, spelled(this.shared)]
    const parts = all.map((part, i) => [weights[i], part]).filter(([weight, part]) => weight && part)
    const total = sum(parts.map(([weight]) => weight))
    return total ? parts.map(([weight, part]) => [weight / total, part]) : [[1, all[2]]]
  }

  // The class of a word, and −log2 P(word | class), a character never seen named outright.
  charged(word) {
    const code = this.code(word)
    const [name, ...others] = Object.keys(this.beginnings).filter(name => begins(code, this.beginnings[name]))
    if (others.length) throw new Error("Its rare words are of classes that this file does not hold.")
    const logs = this.mixture(name).map(([weight, part]) => Math.log2(weight) + part.log(code)), most = Math.max(...logs)
    const named = CHARACTER_BITS * (code.split(OTHER).length - 1)
    return [name, named - most - Math.log2(sum(logs.map(log => 2 ** (log - most))))]
  }

  // A word with the probability that charged() says, among those of known characters.
  drawn(name, random, tries = TRIES) {
    const mixture = this.mixture(name), [, part] = mixture[oneOf(mixture.map(([weight]) => weight), random)]
    const code = part.drawn(random), word = this.word(code) // it may have another spelling, or a character never seen
    return this.code(word) === code || !tries ? word : this.drawn(name, random, tries - 1)
  }
}
