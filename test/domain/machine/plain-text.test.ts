import t from 'tap'
import { plainText } from '#domain/machine/plain-text.ts'

t.test('a session\'s words are shown without what a terminal, a log reader or a page would act on', async t => {
  const table: [string, string][] = [
    ['plain', 'plain'], ['ünï 日本 \u{1f600}', 'ünï 日本 \u{1f600}'], ['a\tb\nc', 'a\tb\nc'], ['\x1b[31mred\x1b[0m', 'red'], ['\x1b[2J\x1b[Hgone', 'gone'], ['\x1b]0;title\x07x', 'x'],
    ['\x1b]8;;https://evil.example\x07link\x1b]8;;\x07', 'link'], ['\x9b31mred', 'red'], ['over\rwritten', 'overwritten'], ['a\x00b\x08c\x7fd\x85e\x9ff', 'abcdef'],
    ['\u202egnp.exe', 'gnp.exe'], ['a\u2066b\u2069c\u200fd\u061ce', 'abcde'], ['a\u2028b\u2029c', 'abc'], ['\ufeffx', 'x'], ['\ud800x', '\ufffdx'], ['', '']
  ]
  for (const [text, shown] of table) t.equal(plainText(text, 8192), shown, encodeURIComponent(text.toWellFormed()))
})

t.test('they are cut by bytes, and no letter is cut in two', async t => {
  for (const [letter, bytes] of [['a', 1], ['é', 2], ['日', 3], ['\u{1f600}', 4]] as const) {
    for (let max = 8; max < 16; max++) t.equal(plainText(letter.repeat(20), max), letter.repeat(Math.floor(max / bytes)), `${letter}, ${max} bytes`)
  }
})
