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
const upper = text => text.toUpperCase(), lower = text => text.toLowerCase()

// A word with its first character changed.
function inFirst(word, change) {
  const [first = "", ...rest] = word
  return change(first) + rest.join("")
}

// A lower-cased word under a case modifier.
function recased(word, modifier) {
  if (modifier === UPPER) return upper(word)
  if (modifier === CAPITAL) return inFirst(word, upper)
  return word
}

// The modifier and the lower-cased form of a word with capitals, if they restore it; otherwise 0 and the word.
function folded(word) {
  for (const [modifier, small] of [[CAPITAL, inFirst(word, lower)], [UPPER, lower(word)]]) {
    if (small !== word && recased(small, modifier) === word && small === lower(small)) return [modifier, small]
  }
  return [0, word]
}

// Interpolated modified Kneser–Ney (Chen & Goodman 1999) over words, each counted once. A level has what follows the
// contexts of one length.
function kneserNey(words, order, size) {
  const counts = countedNGrams(words, order)
  const levels = counts.map((level, length) => {
    return discounted(length === order - 1 ? level : differentBefore(level, counts[length + 1]))
  })

  // P of a code behind the beginning of a word
  const chance = (prefix, code) => {
    const before = END + prefix
    let chance = 1 / size
    for (let length = 0; length < order && length <= before.length; length++) {
      const context = levels[length].get(before.slice(before.length - length))
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
      let word = start
      while (word.length < LONGEST_WORD) {
        const code = codes[oneOf(codes.map(code => chance(word, code)), random)]
        if (code === END) break
        word += code
      }
      return word
    },
  }
}

function add(level, context, code, count) {
  if (!level.has(context)) level.set(context, new Map())
  const after = level.get(context)
  after.set(code, (after.get(code) ?? 0) + count)
}

// For each length of a context: context → code → how often it follows.
function countedNGrams(words, order) {
  const levels = Array.from({ length: order }, () => new Map())
  for (const word of words) {
    const whole = END + word + END
    for (let i = 1; i < whole.length; i++) {
      for (let length = 0; length < order && length <= i; length++) add(levels[length], whole.slice(i - length, i), whole[i], 1)
    }
  }
  return levels
}

// Below the highest order, a code behind a context counts once for each different code in front of the context. In front
// of the beginning of a word there is no code: contexts that begin there keep their counts.
function differentBefore(level, longer) {
  const different = new Map([...level].filter(([context]) => context[0] === END))
  for (const [context, after] of longer) {
    const shorter = context.slice(1)
    if (shorter[0] === END) continue
    for (const code of after.keys()) add(different, shorter, code, 1)
  }
  return different
}

// context → the share of each code that was seen behind it, discounted, and what that leaves to shorter contexts.
function discounted(level) {
  const removed = discounts(level)
  const result = new Map()
  for (const [context, after] of level) {
    const total = sum([...after.values()])
    const seen = new Map([...after].map(([code, count]) => [code, (count - removed(count)) / total]))
    result.set(context, { seen, backoff: sum([...after.values()].map(removed)) / total })
  }
  return result
}

// What is subtracted from a count, from how many n-grams occur once, twice, three and four times (eq. 17).
function discounts(level) {
  const occurring = [0, 0, 0, 0, 0]
  for (const after of level.values()) {
    for (const count of after.values()) if (count < 5) occurring[count]++
  }
  const [, once, twice, thrice, four] = occurring, y = once / (once + 2 * twice)
  let found = [1, 2, 3].map(r => r - (r + 1) * y * occurring[r + 1] / occurring[r])
  if (!(once && twice && thrice && four) || Math.min(...found) <= 0) found = [0.5, 1, 1.5]
  return count => found[Math.min(count, 3) - 1]
}

// Each component of a mixture has two methods: log(word) gives log2 P(word), and drawn(random) draws a word.

const begins = (word, [first, ...longer]) => word.startsWith(first) && !longer.some(other => word.startsWith(other))

// The words of a class that are outside a vocabulary, by character n-grams; see OutOfVocabulary of word_distributions.py.
function outside(model, vocabulary, beginnings) {
  const [first, ...longer] = beginnings
  const known = new Set(vocabulary.filter(word => begins(word, beginnings)))
  const mass = start => 2 ** model.log(start), whole = mass(first)
  const excluded = sum([...longer, ...[...known].map(word => word + END)].map(mass))
  const left = Math.max(whole - excluded, 1e-12 * whole)
  return {
    log: word => model.log(word + END) - Math.log2(left),
    drawn(random, tries = TRIES) {
      const word = model.drawn(first, random)
      if (tries === 0 || begins(word, beginnings) && !known.has(word)) return word
      return this.drawn(random, tries - 1)
    },
  }
}

// Given words, by how often they occurred.
function pool(counts) {
  const words = [...counts.keys()], numbers = [...counts.values()], total = sum(numbers)
  return { log: word => Math.log2((counts.get(word) ?? 0) / total), drawn: random => words[oneOf(numbers, random)] }
}

class Speller {
  // alphabet: its characters in order; examples: class → word → occurrences; never: words that are never spelled; related:
  // known words; signs: of CASES, if words are spelled backwards behind one; beginnings: class → those of outside().
  constructor({ alphabet, examples, order, pooled, weights, signs, beginnings }, never, related) {
    this.alphabet = [...alphabet]
    this.codes = new Map(this.alphabet.map((c, i) => [c, String.fromCharCode(FIRST_CODE + i)]))
    this.examples = examples
    this.order = order
    this.pooled = pooled
    this.weights = weights
    this.signs = signs
    this.beginnings = beginnings
    this.mixtures = {}
    this.vocabulary = this.sortedCodes(never).filter(code => !code.includes(OTHER))
    this.shared = this.nGrams(this.sortedCodes([...related, ...Object.values(examples).flatMap(Object.keys)]))
  }

  nGrams(codes) { return kneserNey(codes, this.order, FIRST_CODE + this.alphabet.length) }

  sortedCodes(words) { return [...new Set(words.map(word => this.code(word)))].sort() }

  // A word as codes.
  code(word) {
    let letters = [...word]
    if (this.signs) {
      const [modifier, small] = folded(word)
      letters = [this.signs[CASES.indexOf(modifier)], ...[...small].reverse()]
    }
    return letters.map(letter => this.codes.get(letter) ?? OTHER).join("")
  }

  // The word that codes spell.
  word(code) {
    const letters = Array.from(code, c => this.alphabet[c.charCodeAt(0) - FIRST_CODE])
    if (!this.signs) return letters.join("")
    const modifier = CASES[this.signs.indexOf(letters.shift())]
    return recased(letters.reverse().join(""), modifier)
  }

  // [weight, component] of a class.
  mixture(name) {
    this.mixtures[name] ??= this.newMixture(name)
    return this.mixtures[name]
  }

  newMixture(name) {
    const counts = new Map(Object.entries(this.examples[name] ?? {}).map(([word, count]) => [this.code(word), count]))
    const spelled = model => outside(model, this.vocabulary, this.beginnings[name])
    const known = counts.size && this.pooled ? pool(counts) : null
    const own = counts.size >= MIN_TYPES_FOR_OWN_MODEL ? spelled(this.nGrams([...counts.keys()])) : null
    const shared = spelled(this.shared)
    const weights = this.weights[name] ?? this.weights[""]
    const present = [known, own, shared].map((part, i) => [weights[i], part]).filter(([weight, part]) => weight && part)
    const total = sum(present.map(([weight]) => weight))
    return total ? present.map(([weight, part]) => [weight / total, part]) : [[1, shared]]
  }

  // The class of a word, and −log2 P(word | class), a character never seen named outright.
  charged(word) {
    const code = this.code(word)
    const [name, ...others] = Object.keys(this.beginnings).filter(name => begins(code, this.beginnings[name]))
    if (others.length) throw new Error("Its rare words are of classes that this file does not hold.")
    const logs = this.mixture(name).map(([weight, part]) => Math.log2(weight) + part.log(code))
    const highest = Math.max(...logs)
    const log = highest + Math.log2(sum(logs.map(log => 2 ** (log - highest))))
    const unseen = code.split(OTHER).length - 1
    return [name, CHARACTER_BITS * unseen - log]
  }

  // Draws a word with the probability that charged() gives it, among words of known characters. Where the codes of a word
  // are not those that would spell it, or one stands for a character never seen, another word is drawn.
  drawn(name, random, tries = TRIES) {
    const mixture = this.mixture(name)
    const [, part] = mixture[oneOf(mixture.map(([weight]) => weight), random)]
    const code = part.drawn(random), word = this.word(code)
    if (tries === 0 || this.code(word) === code) return word
    return this.drawn(name, random, tries - 1)
  }
}
