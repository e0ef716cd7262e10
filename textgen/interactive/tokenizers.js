"use strict"
// Tokenizers in plain JavaScript, cutting and joining texts as those of textgen/tokenizers do.
//
// encode(text) → { tokens, stretches: [start, end, spelling bits] of each token, in code points };
// unknown(text) → its characters that training never saw; writer(prompt) → a function that takes a
// token and gives the text that it adds; names: what each token is called.

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

  writer() { return token => this.characters[token - RESERVED] ?? "" }
}

// Byte-pair encoding over bytes (Sennrich et al. 2016): the words of BYTE_LEVEL, each of its bytes under a
// printable character, of which the pair that was learnt first is merged again and again.
const BYTE_LEVEL = /'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu
const BYTES = (() => {
  const plain = byte => byte > 32 && byte < 127 || byte > 160 && byte < 173 || byte > 173
  let further = 256
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(plain(byte) ? byte : further++))
})()

class SubwordTokenizer {
  constructor({ alphabet, vocabulary: numbers, merges }) {
    const vocabulary = Object.keys(numbers).sort((a, b) => numbers[a] - numbers[b])
    this.alphabet = new Set(alphabet)
    this.index = new Map(vocabulary.map((subword, i) => [subword, RESERVED + i]))
    this.ranks = new Map(merges.map((pair, i) => [pair.join(" "), i]))
    this.known = new Map()
    const byte = new Map(BYTES.map((c, i) => [c, i]))
    this.bytes = vocabulary.map(subword => Uint8Array.from([...subword], c => byte.get(c)))
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
    let at = 0, part = ""
    const close = () => {
      for (const [word] of part.matchAll(BYTE_LEVEL)) {
        const ends = []  // of each byte, the characters that are begun with it
        let count = 0
        for (const c of word) {
          count++
          for (let i = new TextEncoder().encode(c).length; i > 0; i--) ends.push(count)
        }
        let done = 0, before = 0
        for (const subword of this.merged(word)) {
          done += subword.length
          tokens.push(this.index.get(subword))
          stretches.push([at + before, at + ends[done - 1], 0])
          before = ends[done - 1]
        }
        at += count
      }
      part = ""
    }
    for (const c of text) {
      if (this.alphabet.has(c)) part += c
      else {
        close()
        tokens.push(ESCAPE)
        stretches.push([at, ++at, CHARACTER_BITS])
      }
    }
    close()
    return { tokens, stretches }
  }

  merged(word) {
    if (!this.known.has(word)) {
      let parts = Array.from(new TextEncoder().encode(word), byte => BYTES[byte])
      for (;;) {
        let best = Infinity
        for (let i = 1; i < parts.length; i++) best = Math.min(best, this.ranks.get(parts[i - 1] + " " + parts[i]) ?? Infinity)
        if (best === Infinity) break
        const after = []
        for (let i = 0; i < parts.length; i++) {
          const two = i + 1 < parts.length && this.ranks.get(parts[i] + " " + parts[i + 1]) === best
          after.push(two ? parts[i] + parts[++i] : parts[i])
        }
        parts = after
      }
      this.known.set(word, parts)
    }
    return this.known.get(word)
  }

  writer() {
    const decoder = new TextDecoder()  // bytes of a character that is not yet complete wait for the others
    return token => decoder.decode(this.bytes[token - RESERVED] ?? new Uint8Array(), { stream: true })
  }
}

// Words as Unicode cuts them (Standard Annex #29, section 4), with the exceptions of
// textgen/tokenizers/words/pieces.py. ranges: class → first code points and those behind the last.
class Pieces {
  constructor(ranges) {
    this.classes = new Map(Object.entries(ranges))
    this.kept = new Map()
  }

  is(name, point) {
    if (point === undefined) return false
    const key = name + point
    if (!this.kept.has(key)) {
      const ranges = this.classes.get(name)
      let low = 0, high = ranges.length
      while (low < high) {
        const middle = low + high >> 1
        ranges[middle] <= point ? low = middle + 1 : high = middle
      }
      this.kept.set(key, low % 2 === 1)
    }
    return this.kept.get(key)
  }

  // Before which places of a text a word ends, from 0 to n.
  boundaries(points) {
    const is = (name, i) => this.is(name, points[i])
    const any = (names, i) => names.some(name => is(name, i))
    const ignored = i => any(["Extend", "Format", "ZWJ"], i), letter = i => any(["ALetter", "Hebrew_Letter"], i)
    const line = i => any(["CR", "LF", "Newline"], i)
    const back = i => { do i--; while (i >= 0 && ignored(i)); return i }
    const on = i => { do i++; while (i < points.length && ignored(i)); return i }
    const inner = i => any(["MidLetter", "MidNumLet", "Single_Quote"], i), point = i => any(["MidNum", "MidNumLet", "Single_Quote"], i)
    const between = i => {
      if (i === 0 || i === points.length) return points.length > 0
      if (is("CR", i - 1) && is("LF", i)) return false
      if (line(i - 1) || line(i)) return true
      if (is("ZWJ", i - 1) && is("Pictographic", i)) return false
      if (is("WSegSpace", i - 1) && is("WSegSpace", i)) return false
      if (ignored(i)) return false
      const a = ignored(i - 1) ? back(i - 1) : i - 1, b = i
      if (a < 0 || line(a)) return true
      if (letter(a) && letter(b)) return false
      if (letter(a) && inner(b) && letter(on(b))) return false
      if (inner(a) && letter(b) && letter(back(a))) return false
      if (is("Hebrew_Letter", a) && is("Single_Quote", b)) return false
      if (is("Hebrew_Letter", a) && is("Double_Quote", b) && is("Hebrew_Letter", on(b))) return false
      if (is("Double_Quote", a) && is("Hebrew_Letter", b) && is("Hebrew_Letter", back(a))) return false
      if (is("Numeric", a) && is("Numeric", b)) return false
      if (letter(a) && is("Numeric", b) || is("Numeric", a) && letter(b)) return false
      if (point(a) && is("Numeric", b) && is("Numeric", back(a))) return false
      if (is("Numeric", a) && point(b) && is("Numeric", on(b))) return false
      if (is("Katakana", a) && is("Katakana", b)) return false
      if ((letter(a) || any(["Numeric", "Katakana", "ExtendNumLet"], a)) && is("ExtendNumLet", b)) return false
      if (is("ExtendNumLet", a) && (letter(b) || any(["Numeric", "Katakana"], b))) return false
      if (is("Regional_Indicator", a) && is("Regional_Indicator", b)) {
        let before = 0
        for (let j = a; j >= 0 && is("Regional_Indicator", j); j = back(j)) before++
        return before % 2 === 0
      }
      return true
    }
    return Array.from({ length: points.length + 1 }, (_, i) => between(i))
  }

  // The ends of the pieces of a text, in code points.
  cut(text) {
    const characters = [...text], points = characters.map(c => c.codePointAt(0)), n = points.length
    const ends = [], divided = this.boundaries(points)
    const is = (name, i) => this.is(name, points[i])
    const marks = i => { while (["Extend", "Format", "ZWJ", "SpacingMark"].some(name => is(name, i))) i++; return i }
    const lines = i => {
      for (;;) {
        if (points[i] === 10) i++
        else if (points[i] === 13 && points[i + 1] === 10) i += 2
        else return i
      }
    }
    const word = i => {
      if (i >= n) return 0
      let end = i
      while (is("ALetter", end)) end++
      if (end > i && end < n && (' \n,;!?"()-'.includes(characters[end]) || characters[end] === "." && " \n".includes(characters[end + 1] ?? "x"))) return end
      if (!is("word", i) && !is("space", i)) {
        for (end = i + 1; points[end] === points[i];) end++
        if (divided[end] && !is("SpacingMark", end)) return end
      }
      for (end = i; is("ExtendNumLet", end);) end = marks(end + 1)
      if (end > i) return end
      if (is("space", i)) return 0
      for (end = i + 1; !(divided[end] && !is("SpacingMark", end)) && !is("ExtendNumLet", end);) end++
      return end
    }
    for (let at = 0; at < n; ends.push(at)) {
      const end = lines(at)
      at = end > at ? end : word(at + (points[at] === 32)) || marks(at + 1)
    }
    return ends
  }
}

const JOIN = 2, CAPITAL = 3, UPPER = 4, FIRST_OWN = 5
const upperFirst = word => { const [first = "", ...rest] = word; return first.toUpperCase() + rest.join("") }
const recased = (word, modifier) => modifier === UPPER ? word.toUpperCase() : upperFirst(word)

class WordTokenizer {
  constructor({ words, characters, own, speller, only, ranges, unwritable }) {
    Object.assign(this, { words, own, only, unwritable })
    this.pieces = new Pieces(ranges)
    this.index = new Map(words.map((word, i) => [word, i]))
    this.first = FIRST_OWN + own.length
    this.names = ["<boundary>", "<escape>", "<join>", "<capital>", "<upper>", ...own, ...words]
    this.known = new Set(characters)
    this.settings = speller
    this.leads = true
    this.spelled = speller ? null : new Map([...characters].map((c, i) => [c, FIRST_OWN + 1 + i]))
    this.letters = [...characters]
  }

  // Made when it is first needed: it counts the n-grams of all words.
  get speller() {
    const cores = this.words.filter(word => word[0] === " " && word !== " ").map(word => word.slice(1))
    const forms = new Set(cores.flatMap(word => [word, upperFirst(word), word.toUpperCase()]))
    const never = [...forms].filter(word => this.parts(word) && this.parts(" " + word))
    const made = new Speller(this.settings, never, cores)
    Object.defineProperty(this, "speller", { value: made })
    return made
  }

  unknown() { return [] }

  // Modifiers and token of a piece; nothing if it is rare.
  parts(piece) {
    const space = piece[0] === " " && piece.length > 1 ? " " : "", core = piece.slice(space.length)
    let forms = [[[], core]]
    for (const modifier of [CAPITAL, UPPER]) {
      const [first = "", ...rest] = core
      const lower = modifier === CAPITAL ? first.toLowerCase() + rest.join("") : core.toLowerCase()
      if (lower !== core && recased(lower, modifier) === core && lower === lower.toLowerCase()) {
        forms.push([[modifier], lower])
        break
      }
    }
    for (const [modifiers, word] of forms) {
      if (this.index.has(space + word)) return [...modifiers, this.first + this.index.get(space + word)]
      if (!space && this.index.has(" " + word)) return [JOIN, ...modifiers, this.first + this.index.get(" " + word)]
    }
  }

  encode(text) {
    const points = [...text], tokens = [], stretches = []
    let start = 0
    const add = (token, from, to, bits = 0) => {
      tokens.push(token)
      stretches.push([from, to, bits])
    }
    for (const end of this.pieces.cut(text)) {
      const piece = points.slice(start, end).join(""), parts = this.parts(piece)
      const core = piece[0] === " " && piece.length > 1 ? piece.slice(1) : piece
      if (parts) parts.forEach((token, i) => add(token, start, i < parts.length - 1 ? start : end))
      else {
        if (core === piece) add(JOIN, start, start)
        if (this.spelled) {
          for (const c of core) {
            const token = this.spelled.get(c) ?? ESCAPE
            add(token, start, start, token === ESCAPE ? CHARACTER_BITS : 0)
          }
          add(FIRST_OWN, start, end)
        } else if (!this.only) throw new Error("its rare words are told apart by what is not in this file")
        else add(FIRST_OWN, start, end, this.speller.bits(core, this.only))
      }
      start = end
    }
    return { tokens, stretches }
  }

  writer() {
    let joined = false, modifier = 0, begun = false
    return (token, random) => {
      if (token < RESERVED) return ""
      if (token === JOIN) { joined = true; return "" }
      if (token === CAPITAL || token === UPPER) { modifier = token; return "" }
      const space = joined || begun ? "" : " "
      if (this.spelled && token < this.first) {
        begun = token !== FIRST_OWN
        if (!begun) joined = false
        return begun ? space + this.letters[token - FIRST_OWN - 1] : ""
      }
      let text
      if (token < this.first) text = space + this.speller.drawn(this.own[token - FIRST_OWN].slice(1, -1), random)
      else {
        const word = this.words[token - this.first], lead = word[0] === " " && word.length > 1
        const core = lead ? word.slice(1) : word
        text = (lead && !joined ? " " : "") + (modifier ? recased(core, modifier) : core)
      }
      joined = begun = false
      modifier = 0
      return text
    }
  }
}

const TOKENIZERS = { characters: CharacterTokenizer, subwords: SubwordTokenizer, words: WordTokenizer }
