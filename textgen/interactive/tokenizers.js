// Tokenizers in plain JavaScript, cutting and joining texts as those of textgen/tokenizers do. Each has spans(text): [token,
// its end, bits of spelling] one after another, and writer(): from a token, and random numbers, to the text that it adds.

const BOUNDARY = 0, ESCAPE = 1, RESERVED = 2

class Tokenizer {
  // names: what each token but the reserved ones is called; alphabet: the
  // characters that it can read, if it cannot read all; leads: whether the space before a word belongs to its token.
  constructor({ names, alphabet = null, leads = false }) {
    Object.assign(this, { names: ["<boundary>", "<escape>", ...names], unwritable: [BOUNDARY, ESCAPE], alphabet: alphabet && new Set(alphabet), leads })
  }

  unknown(text) { return this.alphabet ? [...new Set(text)].filter(c => !this.alphabet.has(c)) : [] }

  // The tokens of a text, each with its stretch, start to end in code points, and its bits of spelling.
  encode(text) {
    let start = 0
    return Array.from(this.spans(text), ([token, end, bits = 0]) => ({ token, start, end: start = end, bits }))
  }
}

class CharacterTokenizer extends Tokenizer {
  constructor({ characters }) {
    super({ names: characters, alphabet: characters })
    this.index = new Map(characters.map((c, i) => [c, RESERVED + i]))
  }

  spans(text) {
    return Array.from(text, (c, i) => this.index.has(c) ? [this.index.get(c), i + 1] : [ESCAPE, i + 1, CHARACTER_BITS])
  }

  writer() { return token => this.names[token] }
}

// Byte-pair encoding over bytes (Sennrich et al. 2016): the words of BYTE_LEVEL, each of its bytes under a
// printable character, where the pair that was learnt first is merged again and again.
const BYTE_LEVEL = /'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\t-\r\x85\p{Z}\p{L}\p{N}]+|[\t-\r\x85\p{Z}]+(?![^\t-\r\x85\p{Z}])|[\t-\r\x85\p{Z}]+/gu
const printable = byte => byte > 32 && byte < 127 || byte > 160 && byte !== 173
let nextCode = 256 // for a byte that is not printable
const BYTES = Array.from({ length: 256 }, (_, byte) => String.fromCharCode(printable(byte) ? byte : nextCode++))
const utf8 = text => new TextEncoder().encode(text)

class SubwordTokenizer extends Tokenizer {
  constructor({ alphabet, vocabulary: numbers, merges }) {
    const vocabulary = Object.keys(numbers).sort((a, b) => numbers[a] - numbers[b])
    const bytes = vocabulary.map(subword => Uint8Array.from(subword, c => BYTES.indexOf(c)))
    const texts = bytes.map(one => new TextDecoder().decode(one))
    super({ names: texts.map((text, i) => !text || text.includes("\ufffd") ? `<${vocabulary[i]}>` : text), alphabet, leads: true })
    this.index = new Map(vocabulary.map((subword, i) => [subword, RESERVED + i]))
    this.ranks = new Map(merges.map((pair, i) => [pair.join(" "), i]))
    this.bytes = bytes
  }

  * spans(text) {
    const unknown = this.unknown(text).map(c => `\\u{${c.codePointAt(0).toString(16)}}`).join("")
    let at = 0
    for (const part of unknown ? text.split(new RegExp(`([${unknown}])`, "u")) : [text]) {
      if (unknown && this.unknown(part).length) yield [ESCAPE, ++at, CHARACTER_BITS]
      else for (const [word] of part.matchAll(BYTE_LEVEL)) {
        const ends = [...word].flatMap((c, i) => Array(utf8(c).length).fill(at + i + 1)) // a character belongs to its first byte
        let bytes = 0
        for (const subword of this.subwords(word)) yield [this.index.get(subword), ends[(bytes += subword.length) - 1]]
        at = ends.at(-1)
      }
    }
  }

  subwords(word) {
    const parts = Array.from(utf8(word), byte => BYTES[byte])
    const rank = i => this.ranks.get(parts[i] + " " + parts[i + 1]) ?? Infinity
    for (let best; (best = Math.min(...parts.map((_, i) => rank(i)))) < Infinity;) {
      for (let i = 0; i < parts.length; i++) if (rank(i) === best) parts.splice(i, 2, parts[i] + parts[i + 1])
    }
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

// Words as textgen/tokenizers/segmentation.py cuts them. A text is matched as a string of kinds, one for each
// character: starts: the first code point of every range of one kind; kinds: that of each range; classes: name → kinds.
class Pieces {
  constructor({ starts, kinds, classes }) {
    this.kinds = new Uint16Array(0x110000)
    starts.forEach((start, i) => this.kinds.fill(kinds.charCodeAt(i), start, starts[i + 1]))
    const any = names => `[${names.split("+").map(name => classes[name]).join("")}]`, none = names => any(names).replace("[", "[^")
    const ignored = any("Extend+Format+ZWJ") + "*", marks = any("Extend+Format+ZWJ+SpacingMark") + "*"
    const inside = WITHIN_WORDS.split(/,\s+/).map(rule => {
      const [before, after] = rule.split(" × ").map(side => side.split(" ").map(any))
      return `(?<=${before.join(ignored) + ignored})(?=${after.join(ignored)})`
    })
    const [cr, lf, line, flag, connector] = ["CR", "LF", "CR+LF+Newline", "Regional_Indicator", "ExtendNumLet"].map(any)
    const flags = flag + ignored
    inside.push(`(?<=${any("ZWJ")})(?=${any("Pictographic")})`, `(?<=${any("WSegSpace")})(?=${any("WSegSpace")})`,
      `(?=${any("Extend+Format+ZWJ")})`, `(?<=(?<!${flags})${flags}(?:${flags}${flags})*)(?=${flag})`)
    const boundary = `(?<!${cr}(?=${lf}))(?:^|$|(?<=${line})|(?=${line})|(?!${inside.join("|")}))(?!${any("SpacingMark")})`
    const patterns = {
      lines: `(?:${cr}?${lf})+`,
      sign: none("word+space"),
      boundary,
      connectors: `(?:${connector}${marks})+`,
      word: `${none("space+ExtendNumLet")}${none("ExtendNumLet")}*?(?:${boundary}|(?=${connector}))`,
      space: any("space") + marks,
    }
    for (const [name, pattern] of Object.entries(patterns)) this[name] = new RegExp(pattern, "y")
  }

  // The pieces of a text, as lists of characters.
  * cut(text) {
    const characters = [...text]
    const kinds = characters.map(c => String.fromCharCode(this.kinds[c.codePointAt(0)])).join("")
    const end = (name, at) => {
      this[name].lastIndex = at
      return this[name].test(kinds) && this[name].lastIndex
    }
    const word = at => {
      let run = at
      while (run < characters.length && characters[run] === characters[at]) run++
      return end("sign", at) && end("boundary", run) || end("connectors", at) || end("word", at)
    }
    for (let at = 0, next; at < characters.length; at = next) {
      next = end("lines", at) || word(at + (characters[at] === " ")) || end("space", at)
      yield characters.slice(at, next)
    }
  }
}

const JOIN = 2, FIRST_OWN = 5
const divided = word => word[0] === " " && word !== " " ? [" ", word.slice(1)] : ["", word]

class WordTokenizer extends Tokenizer {
  constructor({ words, characters, own, speller, kinds }) {
    super({ names: ["<join>", "<capital>", "<upper>", ...own, ...words], leads: true })
    Object.assign(this, { words, own, settings: speller, pieces: new Pieces(kinds), first: FIRST_OWN + own.length })
    this.index = new Map(words.map((word, i) => [word, this.first + i]))
    this.letters = speller ? null : [...characters] // rare words are spelled by the network
  }

  // Made when it is first needed: it counts the n-grams of all words.
  get speller() {
    if (this.made) return this.made
    const cores = this.words.map(divided).filter(([space]) => space).map(([, core]) => core)
    const forms = new Set(cores.flatMap(word => [word, inFirst(word, upper), upper(word)]))
    const never = [...forms].filter(word => this.known(word) && this.known(" " + word))
    return this.made = new Speller(this.settings, never, cores)
  }

  // Modifiers and token of a piece; nothing if it is rare.
  known(piece) {
    const [space, core] = divided(piece), [modifier, small] = folded(core)
    for (const [word, ...modifiers] of [[core], [small, modifier]]) {
      if (this.index.has(space + word)) return [...modifiers, this.index.get(space + word)]
      if (!space && this.index.has(" " + word)) return [JOIN, ...modifiers, this.index.get(" " + word)]
    }
  }

  // A rare word as tokens, each with its bits: as its characters, or by the spelling model.
  rare(word) {
    if (this.letters) {
      const places = Array.from(word, c => this.letters.indexOf(c))
      return [...places.map(place => place < 0 ? [ESCAPE, CHARACTER_BITS] : [FIRST_OWN + 1 + place]), [FIRST_OWN]]
    }
    const [name, bits] = this.speller.charged(word)
    return [[FIRST_OWN + this.own.indexOf(`<${name}>`), bits]]
  }

  * spans(text) {
    let start = 0
    for (const characters of this.pieces.cut(text)) {
      const piece = characters.join(""), [space, core] = divided(piece)
      const tokens = this.known(piece)?.map(token => [token]) ?? [...space ? [] : [[JOIN]], ...this.rare(core)]
      const last = tokens.pop(), end = start + characters.length
      for (const [token, bits] of tokens) yield [token, start, bits]
      yield [last[0], start = end, last[1]]
    }
  }

  writer() {
    let before = [], inside = false // modifiers of the next word; a word that is spelled
    return (token, random) => {
      if (token < FIRST_OWN + !!this.letters) { // a modifier, or the end of a spelled word
        inside = false
        before.push(token)
        return ""
      }
      const own = token - FIRST_OWN, known = token >= this.first
      const [lead, word] = known ? divided(this.words[token - this.first])
        : [inside ? "" : " ", this.letters?.[own - 1] ?? this.speller.drawn(this.own[own].slice(1, -1), random)]
      const modifier = before.findLast(token => CASES.includes(token))
      const text = (before.includes(JOIN) ? "" : lead) + (known ? recased(word, modifier) : word)
      inside = !known && !!this.letters
      before = []
      return text
    }
  }
}

const TOKENIZERS = { characters: CharacterTokenizer, subwords: SubwordTokenizer, words: WordTokenizer }
