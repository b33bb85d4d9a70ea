"""Regular expressions (RE2, as ClickHouse's `match` takes them) of what models, tools and providers say.

They count habits, they do not judge: a phrase that every answer has moves nothing.
"""

from __future__ import annotations

import re
from typing import Final

from triagebot.domain.inputs import LANGUAGES

RATE_LIMIT: Final = r"(?i)rate.?limit|too.?many.?requests|\\b429\\b|throttl|quota.?exceeded|resource.?exhausted"
OVERLOADED: Final = r"(?i)overloaded|service.?unavailable|\\b(503|529)\\b|capacity"
TIMEOUT: Final = r"(?i)time.?out|timed.?out|deadline.?exceeded|\\b(408|504)\\b"
MODEL_MISSING: Final = (
    r"(?i)model.{0,30}(not.?found|does not exist|retired|deprecated|decommissioned|no longer)|not_found_error|unknown model"
    r"|^((openai|anthropic|litellm)\\.)?not_?found_?error( not_?found_?error)?( ?404)?\\s*$"
)
OVERFLOW: Final = r"(?i)context.?(length|window)|too.?long|maximum.?(context|tokens)|prompt is too|token limit"
TOOL_ERROR: Final = (
    r'(?i)^\\s*\\{?\\s*"?(error|is_?error"?\\s*:\\s*true|status"?\\s*:\\s*"?(error|failed))'
    r'|"(error|errors|is_?error)"\\s*:\\s*("|\\{|\\[\\{|true)|validation error|missing required|unknown tool|not found|traceback'
)
REFUSAL: Final = (
    r"(?i)\\b(i|we)( am|\\x27m| are|\\x27re)? ?(sorry|afraid)?,? ?(but )?(i |we )?(can ?not|can\\x27t|won\\x27t|will not|am unable to"
    r"|\\x27m unable to|am not able to|\\x27m not able to|are unable to|must decline|do not|don\\x27t) "
    r"(help|assist|provide|answer|comply|fulfil|fulfill|do that|share|generate|create|engage|support|discuss|offer|give|have (personal )?opinions)"
    r"|against my (guidelines|programming)|as an ai( language)? model|not (appropriate|comfortable)|unable to (assist|help|comply|provide)"
)
FOUND_NOTHING: Final = (
    r"(?i)\\b(i|we) (could ?(not|n[\\x27’]t)|can ?not|can[\\x27’]t|did ?(not|n[\\x27’]t)|(am|are|was|were) (unable|not able) to) "
    r"(find|locate|retrieve)\\b"
    r"|\\bno (relevant |matching |such |specific |further )?(results?|information|entr(y|ies)|match(es)?|documents?|articles?|records?|data) "
    r"(was |were |is |are |could be |to be )?(found|available|on (file|record)|in (my|our))\\b"
    r"|\\bnothing (relevant |matching )?(was |is |could be )?(found|available|on (file|record))\\b"
    r"|\\b(do|does|did) ?(not|n[\\x27’]t) (have|contain|include|mention) (any |enough |the |that |this |such )?"
    r"(information|details) (on|about|for|regarding)\\b"
    r"|\\b(nothing|none) (in|of) (the|our|my|these|those) ([a-z]+ )?(source|document|article|excerpt|passage|handbook)s? "
    r"(cover|mention|answer|address|describe|say|contain)s?\\b"
    r"|\\b(source|document|article|excerpt|passage|knowledge base|documentation)s? (do|does) ?(not|n[\\x27’]t) "
    r"(cover|mention|answer|address|describe)\\b"
    r"|\\bnot covered (by|in) (the|our|my|these) ([a-z]+ )?(source|document|article|excerpt|passage|handbook|knowledge base)s?\\b"
    r"|\\bnicht gefunden|\\bkeine (informationen|ergebnisse|angaben|treffer)\\b|\\bkonnte [^.]{0,60}nicht finden"
    r"|\\baucune? (r[ée]sultat|information|document)|\\bintrouvable\\b|\\bno (se )?(he )?encontr|\\bning[úu]n resultado"
)
# The sign for what could not be decoded, and UTF-8 that was read as Latin-1.
BROKEN_CHARACTERS: Final = r"\\x{FFFD}|[ÃÂ][\\x{80}-\\x{9F}©¨ª®°±²³´µ¶¹º¼½¾¿]|â€|â\\x{80}"
APOLOGY: Final = r"(?i)\\b(sorry|apolog(y|ies|ise|ize))\\b"
PREAMBLE: Final = (
    r"(?i)^\\s*(sure|certainly|of course|absolutely|great question|good question|happy to|i\\x27d be happy|i would be happy"
    r"|here(\\x27s| is| are)|thank(s| you)|hello|hi\\b|okay|ok,|let me|as requested|below is|the following|to (solve|determine|answer|find))"
)
HEDGE: Final = (
    r"(?i)\\b(it depends|i think|i believe|perhaps|might|may be|possibly|not sure|it seems|however|there is no (one|single|right)"
    r"|as an ai|subjective|personal(ly)?)\\b"
)
OFFER: Final = r"(?i)(let me know if|feel free to|hope (this|that) helps|anything else|is there anything)"
CLOSING: Final = rf"{OFFER}[^\\n]{{0,120}}\\s*$"
# Who says that it has done something, or will: that refunds are spoken of is no promise.
COMMITMENT: Final = (
    r"(?i)\\b(i|we)([\\x27’](ve|ll))?( (have|will|can|shall|now|just|already|also|gladly|gone|ahead|and|am|are|going|to|fully|immediately))* "
    r"(issued?|refund(ed)?|credit(ed)?|reimbursed?|compensated?|escalated?|cancel(l?ed)?|appl(y|ied)|approved?|waived?|guarantee|promise)\\b"
    r"|\\b(refund|credit|compensation|voucher) ((has|will) (been|be) (issued|approved|processed|applied|granted)|is on (its|the) way)"
    r"|\\b(has|have) been (refunded|credited|reimbursed|waived|escalated)"
    r"|\\byou(\\x27ll| will| get| receive)+ (be (refunded|credited|reimbursed|compensated)|(a |the |your )?(full |partial )?(refund|credit)\\b)"
)
TEMPLATE_LEFT: Final = (
    r"\\{\\{|\\}\\}|\\$\\{[a-z_]|\\[object Object\\]|<\\|[a-z_]+\\|>|\\bundefined\\b|\\bNaN\\b|%\\([a-z_]+\\)s"
)
STEPS: Final = r"(?i)\\bstep \\d|\\bfirst,|\\bthinking step|let\\x27s think|therefore|\\n\\s*\\d+[.)] "

# Words that one language has and those beside it have not, in the order of domain/inputs.py: those that questions are asked with …
WORDS: Final = {
    "English": "the and you your this with are to what how my have can where when why which from that would could should there",
    "German": "der und ist nicht sie mit für ein eine einen ich mein meine wie wann warum kann habe das dem bitte möchte auf von zu wird auch oder aber noch kannst hast wurde danke hallo",
    "French": "les vous une dans pour mes quand pourquoi où avec votre notre pas qui au aux veux faire cette sont mais bonjour merci voudrais suis avez besoin être",
    "Spanish": "el los las usted hola gracias cómo cuándo dónde qué quiero puedo está pero más muy hay tengo cuál necesito quisiera puede tiene desde hasta cuando donde hace yo",
    "Italian": "il che sono gli dove perché voglio mio questo questa nella alla degli è anche più vorrei grazie ho sua",
    "Portuguese": "não uma você é em meu minha quero onde isso são também ao pela pelo obrigado gostaria posso tenho pode",
    "Dutch": "het een niet van ik mijn wat waar wanneer hoe waarom wil naar ook voor zijn bij maar deze heb",
    "Russian": "и не что это как мой где когда почему или вы мне есть мы если",
    "Polish": "nie jest się mój moja kiedy gdzie dlaczego czy proszę chcę dla że mam przez tego są",
    "Czech": "není jsem jsou kdy kde proč prosím chci můj že nebo jako která který",
    "Ukrainian": "що це як мій де коли чому та є і ви або мені якщо",
    "Swedish": "och är inte jag att ett hur när varför vill också från mitt",
    "Norwegian or Danish": "og ikke jeg hvordan hvornår hvor hvorfor hva når",
    "Finnish": "miten milloin missä miksi minun haluan voin olen että tämä mitä",
    "Turkish": "bir bu için nasıl nerede değil benim lütfen istiyorum neden kadar",
    "Romanian": "și când unde pentru vreau mea sunt să",
    "Hungarian": "és nem egy hogy hogyan mikor miért kérem szeretném",
    "Indonesian or Malay": "yang saya bagaimana tidak untuk dengan anda",
    "Vietnamese": "của tôi không và được bạn này",
}
# … and letters, for scripts of one language and texts that are not parted into words.
LETTERS: Final = {
    "Japanese": ("の", "です", "ます", "は", "を", "ん"),
    "Chinese": ("的", "是", "们", "在", "有", "我", "不"),
    "Korean": ("니다", "는 ", "을 ", "이 ", "가 "),
    "Greek": ("ά", "έ", "ή", "ί", "ό", "ύ", "ώ"),
    "Arabic": ("ا", "ل", "ي"),
    "Hebrew": ("ה", "ל", "ת"),
    "Hindi": ("ा", "क", "ह"),
    "Thai": ("า", "ท", "น"),
    "Russian": ("ы", "э", "ъ"),
    "Ukrainian": ("ї", "є", "ґ"),
}


def language_of(text: str) -> str:
    """SQL that numbers the language in which a text begins, by most of the words that tell; 0 where none does. A greeting or a
    name in another language does not make it one.
    """
    number = {name: place for place, name in enumerate(LANGUAGES, 1)}
    told = {word: number[name] for name, words in WORDS.items() for word in words.split()}
    told |= {word.capitalize(): code for word, code in told.items() if not word[0].isascii()}  # `lower` is for ASCII
    signs = {letter: number[name] for name, letters in LETTERS.items() for letter in letters}
    beginning = f"replaceRegexpAll(substringUTF8({text}, 1, 400), '[¿¡«»“”„‘’…]', ' ')"
    words = f"splitByNonAlpha(lower({beginning}))"
    found = f"arrayFilter(n -> n > 0, arrayMap(w -> transform(w, {list(told)}, {list(told.values())}, 0), {words}))"
    other = f"transform(multiSearchFirstIndex({beginning}, {list(signs)}), {list(range(1, len(signs) + 1))}, {list(signs.values())}, 0)"
    # A question in Chinese may quote a few words of English.
    script = f"match({beginning}, '^[^A-Za-z]*[\\\\x{{0590}}-\\\\x{{0E7F}}\\\\x{{3040}}-\\\\x{{9FFF}}\\\\x{{AC00}}-\\\\x{{D7AF}}]')"
    return f"if(empty({found}) OR {script}, {other}, arrayReduce('topK(1)', {found})[1])"


# Names of evaluations, tools and sources come from traces. Only these characters reach the SQL text, so that none can end the
# literal; others are left out.
SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/ -]{0,63}")
# How pages say that they were heard of: a support ticket is no word for the tool that creates tickets.
HEARD: Final = frozenset(
    [
        "ticket",
        "tickets",
        "support",
        "customer",
        "customers",
        "user",
        "users",
        "account",
        "accounts",
        "answer",
        "answers",
        "request",
        "requests",
        "service",
        "agent",
        "report",
    ]
)
