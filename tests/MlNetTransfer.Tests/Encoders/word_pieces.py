"""The rule by which BERT's tokenizer makes word pieces, written from its description: an oracle for TextEncoder.

Characters: U+0000, U+FFFD, controls and formats (categories C*) go, but tab, newline and carriage return are blanks;
blanks divide; CJK ideographs, punctuation (categories P*) and every symbol of ASCII are words of their own. In lower
case, canonical decomposition without marks (Mn), then each character in lower case. Pieces: the longest in the
vocabulary from the left, all after the first with "##" before them; a word without pieces, or of more than 100
characters, is [UNK].
"""
import unicodedata

CJK = [(0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x2A6DF), (0x2A700, 0x2CEAF), (0x2F800, 0x2FA1F)]


def is_alone(c):
    o = ord(c)
    ascii_symbol = 33 <= o <= 47 or 58 <= o <= 64 or 91 <= o <= 96 or 123 <= o <= 126
    return ascii_symbol or unicodedata.category(c)[0] == "P" or any(a <= o <= b for a, b in CJK)


def words(text, lower):
    kept = []
    for c in text:
        if c in "\t\n\r" or unicodedata.category(c)[0] == "Z":
            kept.append(" ")
        elif unicodedata.category(c)[0] != "C" and c != "\ufffd":
            kept.append(c)
    for word in "".join(kept).split(" "):
        if lower:
            word = "".join(c for c in unicodedata.normalize("NFD", word) if unicodedata.category(c) != "Mn")
            word = "".join(c.lower() for c in word)
        part = ""
        for c in word:
            if is_alone(c):
                if part:
                    yield part
                yield c
                part = ""
            else:
                part += c
        if part:
            yield part


def pieces(word, vocabulary):
    found, start = [], 0
    while start < len(word):
        end = len(word)
        while end > start and ("##" if start else "") + word[start:end] not in vocabulary:
            end -= 1
        if end == start:
            return ["[UNK]"]
        found.append(("##" if start else "") + word[start:end])
        start = end
    return found if len(word) <= 100 else ["[UNK]"]


def read(file):
    with open(file, encoding="utf-8", newline="") as lines:
        return {line: i for i, line in enumerate(lines.read().replace("\r\n", "\n").rstrip("\n").split("\n"))}


def tokens(text, vocabulary, lower, most):
    body = [vocabulary[p] for w in words(text, lower) for p in pieces(w, vocabulary)]
    return [vocabulary["[CLS]"]] + body[: most - 2] + [vocabulary["[SEP]"]]
