// Tokenizers in plain JavaScript, which cut and join texts as those of textgen/tokenizers do.
//
// Each has spans(text), the tokens of a text one after another: { token, end, bits }, where the text of each ends, in
// code points, and the bits of spelling what it hides (none if they are left out). And each has writer(), which returns
// a function from a token, and random numbers to draw a hidden word with, to the text that it adds.

const BOUNDARY = 0, ESCAPE = 1, RESERVED = 2

class Tokenizer {
  // names: what the tokens behind the reserved ones are called
  // alphabet: the characters that it can read; null if it can read all
  // leads: whether the space before a word belongs to the word's token
  constructor({ names, alphabet = null, leads = false }) {
    this.names = ["<boundary>", "<escape>", ...names]
    this.unwritable = [BOUNDARY, ESCAPE]
    this.alphabet = alphabet && new Set(alphabet)
    this.leads = leads
  }

  // The characters of a text that it cannot read.
  unknown(text) {
    if (!this.alphabet) return []
    return [...new Set(text)].filter(character => !this.alphabet.has(character))
  }

  // The tokens of a text, each with its stretch, from start to end, and its bits of spelling.
  encode(text) {
    const tokens = []
    let start = 0
    for (const { token, end, bits = 0 } of this.spans(text)) {
      tokens.push({ token, start, end, bits })
      start = end
    }
    return tokens
  }
}

class CharacterTokenizer extends Tokenizer {
  constructor({ characters }) {
    super({ names: characters, alphabet: characters })
    this.index = new Map(characters.map((character, i) => [character, RESERVED + i]))
  }

  * spans(text) {
    let end = 0
    for (const character of text) {
      const token = this.index.get(character)
      end++
      yield token === undefined ? { token: ESCAPE, end, bits: CHARACTER_BITS } : { token, end }
    }
  }

  writer() { return token => this.names[token] }
}

// Byte-pair encoding over bytes (Sennrich et al. 2016): the words of BYTE_LEVEL, each of its bytes under a printable
// character, where the pair that was learnt first is merged again and again.
const BYTE_LEVEL = new RegExp([
  "'(?:[sdmt]|ll|ve|re)",
  " ?\\p{L}+",
  " ?\\p{N}+",
  " ?[^\\t-\\r\\x85\\p{Z}\\p{L}\\p{N}]+",
  "[\\t-\\r\\x85\\p{Z}]+(?![^\\t-\\r\\x85\\p{Z}])", // the last white character belongs to what comes behind it
  "[\\t-\\r\\x85\\p{Z}]+",
].join("|"), "gu")

const BYTES = printableBytes()

// The character under which each byte stands: its own if that is printable, else the next one from 256 on.
function printableBytes() {
  let next = 256
  return Array.from({ length: 256 }, (_, byte) => {
    const printable = (byte > 32 && byte < 127) || (byte > 160 && byte !== 173)
    return String.fromCharCode(printable ? byte : next++)
  })
}

const utf8 = text => new TextEncoder().encode(text)

class SubwordTokenizer extends Tokenizer {
  constructor({ alphabet, vocabulary: numbers, merges }) {
    const subwords = Object.keys(numbers).sort((a, b) => numbers[a] - numbers[b])
    const bytes = subwords.map(subword => Uint8Array.from(subword, character => BYTES.indexOf(character)))
    const texts = bytes.map(some => new TextDecoder().decode(some))
    const names = texts.map((text, i) => text && !text.includes("\ufffd") ? text : `<${subwords[i]}>`)
    super({ names, alphabet, leads: true })
    this.index = new Map(subwords.map((subword, i) => [subword, RESERVED + i]))
    this.ranks = new Map(merges.map((pair, i) => [pair.join(" "), i]))
    this.bytes = bytes
  }

  * spans(text) {
    let start = 0
    for (const [i, part] of this.parts(text).entries()) {
      if (i % 2) {
        start++
        yield { token: ESCAPE, end: start, bits: CHARACTER_BITS }
        continue
      }
      for (const [word] of part.matchAll(BYTE_LEVEL)) {
        yield * this.spansOfWord(word, start)
        start += [...word].length
      }
    }
  }

  // Known text and single unknown characters in turn.
  parts(text) {
    const unknown = this.unknown(text)
    if (!unknown.length) return [text]
    const escaped = unknown.map(character => `\\u{${character.codePointAt(0).toString(16)}}`)
    return text.split(new RegExp(`([${escaped.join("")}])`, "u"))
  }

  * spansOfWord(word, start) {
    const ends = [] // of the character that each byte is a part of: it belongs to the token of its first byte
    let end = start
    for (const character of word) {
      end++
      ends.push(...Array(utf8(character).length).fill(end))
    }
    let bytes = 0
    for (const subword of this.subwords(word)) {
      bytes += subword.length
      yield { token: this.index.get(subword), end: ends[bytes - 1] }
    }
  }

  subwords(word) {
    const parts = Array.from(utf8(word), byte => BYTES[byte])
    const rank = i => this.ranks.get(`${parts[i]} ${parts[i + 1]}`) ?? Infinity
    for (;;) {
      const best = Math.min(...parts.map((_, i) => rank(i)))
      if (best === Infinity) return parts
      for (let i = 0; i < parts.length; i++) {
        if (rank(i) === best) parts.splice(i, 2, parts[i] + parts[i + 1])
      }
    }
  }

  writer() {
    const decoder = new TextDecoder() // bytes of a character that is not yet complete wait for the rest
    return token => decoder.decode(this.bytes[token - RESERVED], { stream: true })
  }
}

// Classes of characters, and between which of them no word ends: the characters before, those behind, each of one of
// some classes (Unicode Standard Annex #29, section 4, rules WB5 to WB13b). What extends a character is passed over.
const LETTER = ["ALetter", "Hebrew_Letter"], HEBREW = ["Hebrew_Letter"], NUMBER = ["Numeric"], KATAKANA = ["Katakana"]
const INNER = ["MidLetter", "MidNumLet", "Single_Quote"], POINT = ["MidNum", "MidNumLet", "Single_Quote"]
const SINGLE = ["Single_Quote"], DOUBLE = ["Double_Quote"], CONNECTOR = ["ExtendNumLet"]
const CONNECTED = [...LETTER, ...NUMBER, ...KATAKANA]
const WITHIN_WORDS = [
  [[LETTER], [LETTER]],
  [[LETTER], [INNER, LETTER]],
  [[LETTER, INNER], [LETTER]],
  [[HEBREW], [SINGLE]],
  [[HEBREW], [DOUBLE, HEBREW]],
  [[HEBREW, DOUBLE], [HEBREW]],
  [[NUMBER], [NUMBER]],
  [[LETTER], [NUMBER]],
  [[NUMBER], [LETTER]],
  [[NUMBER], [POINT, NUMBER]],
  [[NUMBER, POINT], [NUMBER]],
  [[KATAKANA], [KATAKANA]],
  [[...CONNECTED, ...CONNECTOR], CONNECTOR].map(classes => [classes]),
  [CONNECTOR, CONNECTED].map(classes => [classes]),
]
const EXTENDING = ["Extend", "Format", "ZWJ"]

// Words as textgen/tokenizers/segmentation.py cuts them. A text is matched as a string of kinds, a letter for each
// character, which says what classes the character is in.
class Pieces {
  // starts: the first code point of every range of one kind; kinds: the kind of each range; classes: name → its kinds
  constructor({ starts, kinds, classes }) {
    this.kinds = new Uint16Array(0x110000)
    starts.forEach((start, i) => this.kinds.fill(kinds.charCodeAt(i), start, starts[i + 1]))
    for (const [name, pattern] of Object.entries(piecePatterns(classes))) this[name] = new RegExp(pattern, "y")
  }

  // The pieces of a text, as lists of characters.
  * cut(text) {
    const characters = [...text]
    const kinds = characters.map(c => String.fromCharCode(this.kinds[c.codePointAt(0)])).join("")
    let start = 0
    while (start < characters.length) {
      const end = this.end(characters, kinds, start)
      yield characters.slice(start, end)
      start = end
    }
  }

  // Where the piece ends that begins at a place.
  end(characters, kinds, start) {
    const first = characters[start] === " " ? start + 1 : start
    return this.match("lines", kinds, start)
      ?? this.endOfSigns(characters, kinds, first)
      ?? this.match("connectors", kinds, first)
      ?? this.match("word", kinds, first)
      ?? this.match("space", kinds, start)
  }

  // Where a run of one and the same sign ends.
  endOfSigns(characters, kinds, start) {
    if (this.match("sign", kinds, start) === undefined) return undefined
    let end = start
    while (end < characters.length && characters[end] === characters[start]) end++
    return this.match("boundary", kinds, end)
  }

  // Where a pattern ends that begins at a place, if it does.
  match(name, kinds, start) {
    this[name].lastIndex = start
    return this[name].test(kinds) ? this[name].lastIndex : undefined
  }
}

// Name → a regular expression over kinds, from the kinds in each class of characters.
function piecePatterns(classes) {
  const kindsOf = names => names.map(name => classes[name]).join("")
  const any = (...names) => `[${kindsOf(names)}]`, none = (...names) => `[^${kindsOf(names)}]`
  const extending = any(...EXTENDING) + "*", marks = any(...EXTENDING, "SpacingMark") + "*"
  const carriageReturn = any("CR"), lineFeed = any("LF"), line = any("CR", "LF", "Newline")
  const flag = any("Regional_Indicator") + extending, connector = any(...CONNECTOR)
  const inside = WITHIN_WORDS.map(([before, after]) => {
    const [left, right] = [before, after].map(side => side.map(names => any(...names)).join(extending))
    return `(?<=${left}${extending})(?=${right})`
  })
  inside.push(
    `(?<=${any("ZWJ")})(?=${any("Pictographic")})`,
    `(?<=${any("WSegSpace")})(?=${any("WSegSpace")})`,
    `(?=${any(...EXTENDING)})`,
    `(?<=(?<!${flag})${flag}(?:${flag}${flag})*)(?=${any("Regional_Indicator")})`, // flags are pairs
  )
  const anyPlace = `^|$|(?<=${line})|(?=${line})|(?!${inside.join("|")})`
  const boundary = `(?<!${carriageReturn}(?=${lineFeed}))(?:${anyPlace})(?!${any("SpacingMark")})`
  return {
    lines: `(?:${carriageReturn}?${lineFeed})+`,
    sign: none("word", "space"),
    boundary,
    connectors: `(?:${connector}${marks})+`,
    word: `${none("space", "ExtendNumLet")}${none("ExtendNumLet")}*?(?:${boundary}|(?=${connector}))`,
    space: any("space") + marks,
  }
}

const JOIN = 2, FIRST_OWN = 5 // CAPITAL and UPPER, between them, stand in spelling.js
const FIRST_LETTER = FIRST_OWN + 1 // behind the end of a word, where the network spells

// The space before a word, and the word.
const divided = piece => piece[0] === " " && piece !== " " ? [" ", piece.slice(1)] : ["", piece]

class WordTokenizer extends Tokenizer {
  // own: the names of the tokens of the rare-word policy; speller: the settings of a spelling model, or null where the
  // network spells rare words
  constructor({ words, characters, own, speller, kinds }) {
    super({ names: ["<join>", "<capital>", "<upper>", ...own, ...words], leads: true })
    this.words = words
    this.own = own
    this.settings = speller
    this.letters = speller ? null : [...characters]
    this.pieces = new Pieces(kinds)
    this.firstWord = FIRST_OWN + own.length
    this.index = new Map(words.map((word, i) => [word, this.firstWord + i]))
  }

  // The spelling model, made when it is first needed: it counts the n-grams of all words.
  get speller() {
    this.made ??= this.newSpeller()
    return this.made
  }

  newSpeller() {
    const spaced = this.words.map(divided).filter(([space]) => space)
    const cores = spaced.map(([, core]) => core)
    const forms = new Set(cores.flatMap(word => [word, inFirst(word, upper), upper(word)]))
    const neverSpelled = [...forms].filter(word => this.known(word) && this.known(" " + word))
    return new Speller(this.settings, neverSpelled, cores)
  }

  // The modifiers and the token of a piece; undefined if it is rare.
  known(piece) {
    const [space, core] = divided(piece), [modifier, small] = folded(core)
    return this.knownForm(space, core, []) ?? this.knownForm(space, small, [modifier])
  }

  knownForm(space, word, modifiers) {
    if (this.index.has(space + word)) return [...modifiers, this.index.get(space + word)]
    if (!space && this.index.has(" " + word)) return [JOIN, ...modifiers, this.index.get(" " + word)]
    return undefined
  }

  // A rare word behind its space as tokens, { token, bits }.
  rare(word) {
    if (this.letters) return [...Array.from(word, letter => this.letter(letter)), { token: FIRST_OWN }]
    const [name, bits] = this.speller.charged(word)
    return [{ token: FIRST_OWN + this.own.indexOf(`<${name}>`), bits }]
  }

  letter(letter) {
    const place = this.letters.indexOf(letter)
    return place < 0 ? { token: ESCAPE, bits: CHARACTER_BITS } : { token: FIRST_LETTER + place }
  }

  tokens(piece) {
    const known = this.known(piece)
    if (known) return known.map(token => ({ token }))
    const [space, word] = divided(piece)
    return space ? this.rare(word) : [{ token: JOIN }, ...this.rare(word)]
  }

  // The last token of a piece has its text.
  * spans(text) {
    let start = 0
    for (const characters of this.pieces.cut(text)) {
      const tokens = this.tokens(characters.join("")), last = tokens.pop()
      for (const token of tokens) yield { ...token, end: start }
      start += characters.length
      yield { ...last, end: start }
    }
  }

  writer() {
    let modifiers = [] // of the word that comes next
    let inside = false // a word that the network spells
    return (token, random) => {
      if (token < FIRST_OWN) modifiers.push(token)
      if (token < FIRST_OWN || this.letters && token === FIRST_OWN) {
        inside = false
        return ""
      }
      const isLetter = this.letters !== null && token < this.firstWord
      const [space, word] = this.written(token, modifiers, random)
      const joined = modifiers.includes(JOIN) || inside && isLetter
      inside = isLetter
      modifiers = []
      return joined ? word : space + word
    }
  }

  // What a token adds: the space before it, and a word of the vocabulary, a letter, or a rare word that is drawn.
  written(token, modifiers, random) {
    if (token >= this.firstWord) {
      const [space, word] = divided(this.words[token - this.firstWord])
      return [space, recased(word, modifiers.findLast(modifier => CASES.includes(modifier)))]
    }
    if (this.letters) return [" ", this.letters[token - FIRST_LETTER]]
    return [" ", this.speller.drawn(this.own[token - FIRST_OWN].slice(1, -1), random)]
  }
}

// Characters or subwords, and a placeholder for every rare word.
class RareReplacedTokenizer extends Tokenizer {
  // words: of the word tokenizer that says which words are rare; units: of the one that cuts all else
  constructor({ words, units, kinds }) {
    const unitTokenizer = new TOKENIZERS[units.kind](units)
    super({ names: [...words.own, ...unitTokenizer.names.slice(RESERVED)], leads: unitTokenizer.leads })
    this.words = new WordTokenizer({ ...words, kinds })
    this.units = unitTokenizer
    this.placeholders = words.own.length
  }

  * spans(text) {
    let start = 0
    let stretch = "" // since the last rare word
    for (const characters of this.words.pieces.cut(text)) {
      const piece = characters.join("")
      if (this.words.known(piece)) {
        stretch += piece
        continue
      }
      const [space, word] = divided(piece)
      yield * this.spansOfUnits(stretch + space, start)
      start += [...stretch, ...space, ...word].length
      stretch = ""
      const [{ token, bits }] = this.words.rare(word)
      yield { token: token - FIRST_OWN + RESERVED, end: start, bits }
    }
    yield * this.spansOfUnits(stretch, start)
  }

  * spansOfUnits(text, start) {
    for (const { token, end, bits } of this.units.spans(text)) {
      yield { token: token < RESERVED ? token : token + this.placeholders, end: start + end, bits }
    }
  }

  writer() {
    let writeUnit = this.units.writer()
    return (token, random) => {
      const number = token - RESERVED
      if (token < RESERVED || number >= this.placeholders) return writeUnit(token < RESERVED ? token : token - this.placeholders)
      writeUnit = this.units.writer() // bytes of a character that is not complete wait no longer
      return this.words.speller.drawn(this.words.own[number].slice(1, -1), random)
    }
  }
}

const TOKENIZERS = {
  characters: CharacterTokenizer, subwords: SubwordTokenizer, words: WordTokenizer, rare_replaced: RareReplacedTokenizer,
}
