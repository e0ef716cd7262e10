"use strict"
// Tokenizers in plain JavaScript, cutting and joining texts as those of textgen/tokenizers do.
//
// encode(text) → { tokens, stretches: [start, end, spelling bits] of each token, in code points };
// unknown(text) → its characters that training never saw; writer() → a function that takes a token
// (and random numbers) and gives the text that it adds; names: what each token is called.

const BOUNDARY = 0, ESCAPE = 1, RESERVED = 2

class CharacterTokenizer {
  constructor({ characters }) {
    this.characters = characters
    this.index = new Map(characters.map((c, i) => [c, RESERVED + i]))
    this.names = ["<boundary>", "<escape>", ...characters]
    this.unwritable = [BOUNDARY, ESCAPE]
  }

  unknown(text) { return [...new Set(text)].filter(c => !this.index.has(c)) }

  encode(text) {
    const tokens = [...text].map(c => this.index.get(c) ?? ESCAPE)
    return { tokens, stretches: tokens.map((token, i) => [i, i + 1, token === ESCAPE ? CHARACTER_BITS : 0]) }
  }

  writer() { return token => this.characters[token - RESERVED] }
}

// Byte-pair encoding over bytes (Sennrich et al. 2016): the words of BYTE_LEVEL, each of its bytes under a
// printable character, where the pair that was learnt first is merged again and again.
const BYTE_LEVEL = /'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu
const BYTES = (() => {
  const printable = byte => byte > 32 && byte < 127 || byte > 160 && byte !== 173
  let next = 256
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(printable(byte) ? byte : next++))
})()
const utf8 = text => new TextEncoder().encode(text)

class SubwordTokenizer {
  constructor({ alphabet, vocabulary: numbers, merges }) {
    const vocabulary = Object.keys(numbers).sort((a, b) => numbers[a] - numbers[b])
    this.alphabet = new Set(alphabet)
    this.index = new Map(vocabulary.map((subword, i) => [subword, RESERVED + i]))
    this.ranks = new Map(merges.map((pair, i) => [pair.join(" "), i]))
    this.known = new Map()
    this.bytes = vocabulary.map(subword => Uint8Array.from(subword, c => BYTES.indexOf(c)))
    this.names = ["<boundary>", "<escape>", ...this.bytes.map((bytes, i) => {
      const text = new TextDecoder().decode(bytes)
      return text && !text.includes("\ufffd") ? text : `<${vocabulary[i]}>`
    })]
    this.unwritable = [BOUNDARY, ESCAPE]
    this.leads = true
  }

  unknown(text) { return [...new Set(text)].filter(c => !this.alphabet.has(c)) }

  encode(text) {
    const tokens = [], stretches = []
    let start = 0, at = 0, part = ""
    const add = (token, end, bits = 0) => {
      tokens.push(token)
      stretches.push([start, start = end, bits])
    }
    const addPart = () => {
      for (const [word] of part.matchAll(BYTE_LEVEL)) {
        const ends = [...word].flatMap((c, i) => Array(utf8(c).length).fill(at + i + 1)) // a character belongs to its first byte
        let bytes = 0
        for (const subword of this.merged(word)) add(this.index.get(subword), ends[(bytes += subword.length) - 1])
        at = ends.at(-1)
      }
      part = ""
    }
    for (const c of text) {
      if (this.alphabet.has(c)) part += c
      else {
        addPart()
        add(ESCAPE, ++at, CHARACTER_BITS)
      }
    }
    addPart()
    return { tokens, stretches }
  }

  merged(word) {
    if (this.known.has(word)) return this.known.get(word)
    const parts = Array.from(utf8(word), byte => BYTES[byte])
    const rank = i => this.ranks.get(parts[i] + " " + parts[i + 1]) ?? Infinity
    for (;;) {
      const best = Math.min(...parts.map((_, i) => rank(i)))
      if (best === Infinity) break
      for (let i = 0; i < parts.length; i++) if (rank(i) === best) parts.splice(i, 2, parts[i] + parts[i + 1])
    }
    this.known.set(word, parts)
    return parts
  }

  writer() {
    const decoder = new TextDecoder() // bytes of a character that is not yet complete wait for the rest
    return token => decoder.decode(this.bytes[token - RESERVED], { stream: true })
  }
}

// Between what no word ends (Unicode Standard Annex #29, section 4, rules WB3c to WB13b); what extends a character is
// passed over.
const LETTER = "ALetter+Hebrew_Letter", INNER = "MidLetter+MidNumLet+Single_Quote", POINT = "MidNum+MidNumLet+Single_Quote"
const WITHIN_WORDS = `${LETTER} × ${LETTER}, ${LETTER} × ${INNER} ${LETTER}, ${LETTER} ${INNER} × ${LETTER},
  Hebrew_Letter × Single_Quote, Hebrew_Letter × Double_Quote Hebrew_Letter, Hebrew_Letter Double_Quote × Hebrew_Letter,
  Numeric × Numeric, ${LETTER} × Numeric, Numeric × ${LETTER}, Numeric × ${POINT} Numeric, Numeric ${POINT} × Numeric,
  Katakana × Katakana, ${LETTER}+Numeric+Katakana+ExtendNumLet × ExtendNumLet, ExtendNumLet × ${LETTER}+Numeric+Katakana`

// Words as textgen/tokenizers/words/pieces.py cuts them. A text is matched as a string of kinds, one for each
// character: starts: the first code point of every range of one kind; kinds: that of each range; classes: name → kinds.
class Pieces {
  constructor({ starts, kinds, classes }) {
    this.starts = starts
    this.kinds = kinds
    const any = names => `[${names.split("+").map(name => classes[name]).join("")}]`
    const none = names => any(names).replace("[", "[^"), ignored = any("Extend+Format+ZWJ") + "*"
    const inside = WITHIN_WORDS.split(/,\s+/).map(rule => {
      const [before, after] = rule.split(" × ").map(side => side.split(" ").map(any))
      return `(?<=${before.join(ignored) + ignored})(?=${after.join(ignored)})`
    })
    const [cr, lf, line, flag] = ["CR", "LF", "CR+LF+Newline", "Regional_Indicator"].map(any), flags = flag + ignored
    inside.push(`(?<=${any("ZWJ")})(?=${any("Pictographic")})`, `(?<=${any("WSegSpace")})(?=${any("WSegSpace")})`,
      `(?=${any("Extend+Format+ZWJ")})`, `(?<=(?<!${flags})${flags}(?:${flags}${flags})*)(?=${flag})`)
    const boundary = `(?<!${cr}(?=${lf}))(?:^|$|(?<=${line})|(?=${line})|(?!${inside.join("|")}))(?!${any("SpacingMark")})`
    const marks = any("Extend+Format+ZWJ+SpacingMark") + "*", connector = any("ExtendNumLet")
    const regex = pattern => new RegExp(pattern, "y")
    this.lines = regex(`(?:${cr}?${lf})+`)
    this.sign = regex(none("word+space"))
    this.boundary = regex(boundary)
    this.connectors = regex(`(?:${connector}${marks})+`)
    this.word = regex(`${none("space+ExtendNumLet")}${none("ExtendNumLet")}*?(?:${boundary}|(?=${connector}))`)
    this.space = regex(`${any("space")}${marks}`)
  }

  kind(point) {
    let low = 0, high = this.starts.length
    while (low < high) {
      const middle = low + high >> 1
      this.starts[middle] <= point ? low = middle + 1 : high = middle
    }
    return this.kinds[low - 1]
  }

  // The ends of the pieces of a text, in code points.
  cut(text) {
    const characters = [...text], kinds = characters.map(c => this.kind(c.codePointAt(0))).join(""), ends = []
    const end = (regex, at) => {
      regex.lastIndex = at
      return regex.test(kinds) && regex.lastIndex
    }
    const word = at => {
      let run = at
      while (run < characters.length && characters[run] === characters[at]) run++
      return end(this.sign, at) && end(this.boundary, run) || end(this.connectors, at) || end(this.word, at)
    }
    for (let at = 0; at < characters.length; ends.push(at)) {
      at = end(this.lines, at) || word(at + (characters[at] === " ")) || end(this.space, at)
    }
    return ends
  }
}

const JOIN = 2, CAPITAL = 3, UPPER = 4, FIRST_OWN = 5
const inFirst = (word, change) => { const [first = "", ...rest] = word; return change(first) + rest.join("") }
const upper = text => text.toUpperCase(), lower = text => text.toLowerCase()
const recased = (word, modifier) => modifier === UPPER ? upper(word) : modifier === CAPITAL ? inFirst(word, upper) : word
const divided = word => word[0] === " " && word !== " " ? [" ", word.slice(1)] : ["", word]

class WordTokenizer {
  constructor({ words, characters, own, speller, only, kinds, unwritable }) {
    Object.assign(this, { words, own, only, unwritable, settings: speller })
    this.pieces = new Pieces(kinds)
    this.index = new Map(words.map((word, i) => [word, i]))
    this.first = FIRST_OWN + own.length
    this.names = ["<boundary>", "<escape>", "<join>", "<capital>", "<upper>", ...own, ...words]
    this.leads = true
    this.letters = speller ? null : [...characters] // rare words are spelled by the network
  }

  // Made when it is first needed: it counts the n-grams of all words.
  get speller() {
    if (this.made) return this.made
    const cores = this.words.map(divided).filter(([space]) => space).map(([, core]) => core)
    const forms = new Set(cores.flatMap(word => [word, inFirst(word, upper), upper(word)]))
    const never = [...forms].filter(word => this.parts(word) && this.parts(" " + word))
    return this.made = new Speller(this.settings, never, cores)
  }

  unknown() { return [] }

  // Modifiers and token of a piece; nothing if it is rare.
  parts(piece) {
    const [space, core] = divided(piece)
    const folded = [[CAPITAL, inFirst(core, lower)], [UPPER, lower(core)]]
      .find(([modifier, word]) => word !== core && recased(word, modifier) === core && word === lower(word))
    for (const [modifiers, word] of [[[], core], ...folded ? [[[folded[0]], folded[1]]] : []]) {
      if (this.index.has(space + word)) return [...modifiers, this.first + this.index.get(space + word)]
      if (!space && this.index.has(" " + word)) return [JOIN, ...modifiers, this.first + this.index.get(" " + word)]
    }
  }

  encode(text) {
    const characters = [...text], tokens = [], stretches = []
    let start = 0
    for (const end of this.pieces.cut(text)) {
      const piece = characters.slice(start, end).join(""), known = this.parts(piece), [space, core] = divided(piece)
      let own = known?.map(token => [token, 0]) ?? (this.letters ? this.spelled(core) : [[FIRST_OWN, this.spelling(core)]])
      if (!known && !space) own = [[JOIN, 0], ...own]
      own.forEach(([token, bits], i) => {
        tokens.push(token)
        stretches.push([start, i < own.length - 1 ? start : end, bits])
      })
      start = end
    }
    return { tokens, stretches }
  }

  // A rare word as its characters and the token that ends it, each with its bits.
  spelled(word) {
    const letters = Array.from(word, c => {
      const place = this.letters.indexOf(c)
      return place < 0 ? [ESCAPE, CHARACTER_BITS] : [FIRST_OWN + 1 + place, 0]
    })
    return [...letters, [FIRST_OWN, 0]]
  }

  spelling(word) {
    if (!this.only) throw new Error("its rare words are of classes that this file does not hold")
    return this.speller.bits(word, this.only)
  }

  writer() {
    let joined = false, modifier = 0, inside = false // a word that is spelled
    return (token, random) => {
      if (token < FIRST_OWN) {
        inside = false
        if (token === JOIN) joined = true
        if (token > JOIN) modifier = token
        return ""
      }
      const space = joined || inside ? "" : " ", own = token - FIRST_OWN
      let text
      if (token >= this.first) {
        const [lead, core] = divided(this.words[token - this.first])
        text = (joined ? "" : lead) + recased(core, modifier)
      } else if (!this.letters) text = space + this.speller.drawn(this.own[own].slice(1, -1), random)
      else text = own ? space + this.letters[own - 1] : ""
      inside = token < this.first && own > 0
      joined = false
      modifier = 0
      return text
    }
  }
}

const TOKENIZERS = { characters: CharacterTokenizer, subwords: SubwordTokenizer, words: WordTokenizer }
