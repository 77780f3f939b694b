"""Text folded for searching: without case, accents and the letters that no decomposition takes apart.

One function folds what is indexed and what is asked for, so the three databases need not agree on a collation.
"""

import re
import unicodedata

__all__ = ["fold", "words_of"]

# Letters that Unicode does not decompose into a base letter and a mark.
_LETTERS = str.maketrans(
    {
        "ł": "l",
        "ø": "o",
        "đ": "d",
        "ð": "d",
        "þ": "th",
        "æ": "ae",
        "œ": "oe",
        "ı": "i",
        "ħ": "h",
        "ŧ": "t",
        "ŋ": "ng",
        "ĸ": "k",
        "ŀ": "l",
        "ə": "e",
        "ƒ": "f",
        "ɨ": "i",
        "ʉ": "u",
        "ƶ": "z",
        "ƀ": "b",
        "ǥ": "g",
        "ɵ": "o",
        "ґ": "г",
        "ѐ": "е",
        "ђ": "ћ",
        "є": "е",
        "ى": "ي",
        "ة": "ه",
        "ک": "ك",
        "ی": "ي",
    }
)
# Typographic signs that stand inside a word: English and French apostrophes, Hawaiian ʻokina, Slavic ʼ, soft hyphen.
_INSIDE_WORDS = re.compile(
    "['\u2018\u2019\u02bc\u02bb\u02bd\u02b9\u02ba`\u00b4\uff07\u00ad\u200b-\u200d\u2060\ufeff\u0640]"
)
_IDEOGRAPH = re.compile("([\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff])")
_NOT_A_WORD = re.compile(r"[\W_]+")


def fold(text: str) -> str:
    """The words of a text, folded, with one blank between them; Chinese and Japanese signs are a word each."""
    return " ".join(words_of(text))


def words_of(text: str) -> list[str]:
    """The folded words of a text, in order: letters and digits only, an apostrophe joins what it stands between."""
    if text.isascii():
        plain = text.lower()
    else:
        plain = unicodedata.normalize("NFKD", text).casefold().translate(_LETTERS)
        plain = "".join(sign for sign in unicodedata.normalize("NFKD", plain) if unicodedata.category(sign)[0] != "M")
        plain = _IDEOGRAPH.sub(r" \1 ", plain)
    return [word for word in _NOT_A_WORD.split(_INSIDE_WORDS.sub("", plain)) if word]
