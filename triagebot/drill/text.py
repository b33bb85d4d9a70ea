"""A grammar of answers: JSON, prose, code and labels, and the ways in which they go wrong."""

from collections.abc import Callable
from functools import cache
from typing import Any

import orjson

from triagebot.drill.arrays import rng_for

SUBJECTS = {
    "en": ("Your request", "The order", "The account", "The parcel", "The article", "The booking", "This setting"),
    "de": ("Ihre Anfrage", "Die Bestellung", "Das Konto", "Das Paket", "Der Artikel", "Die Buchung"),
    "fr": ("Votre demande", "La commande", "Le compte", "Le colis", "La réservation"),
    "es": ("Su solicitud", "El pedido", "La cuenta", "El paquete", "La reserva"),
    "ja": ("ご依頼は", "ご注文は", "アカウントは", "お荷物は", "ご予約は"),
}
VERBS = {
    "en": ("was received and is being checked", "is ready and will leave the warehouse soon", "can be changed under Settings",
           "needs a second document before it goes on", "has been closed because nothing was missing",
           "will be answered by the team that handles it", "is listed with the price that applies today"),
    "de": ("ist eingegangen und wird geprüft", "kann in den Einstellungen geändert werden", "ist bereit und geht bald hinaus",
           "braucht noch ein zweites Dokument", "wurde geschlossen, weil nichts fehlte"),
    "fr": ("a été reçue et sera vérifiée", "peut être modifiée dans les réglages", "est prête et partira bientôt",
           "demande encore un second document"),
    "es": ("fue recibida y se está revisando", "se puede cambiar en los ajustes", "está lista y saldrá pronto",
           "necesita todavía un segundo documento"),
    "ja": ("受け付けて確認しております。", "設定から変更できます。", "まもなく発送されます。", "追加の書類が必要です。"),
}  # fmt: skip
PREAMBLES = ("Sure, here is what you asked for:\n", "Of course! Here you go:\n", "Certainly. Here is the result:\n",
             "Happy to help! Below is the answer.\n")  # fmt: skip
APOLOGIES = ("I'm sorry for the trouble. ", "I apologize for the inconvenience. ", "Sorry about that! ")
REFUSALS = ("I'm sorry, but I can't help with that request.", "I cannot assist with this.",
            "Unfortunately I'm unable to provide that information.",
            "I can't share that, as it may not be appropriate.")  # fmt: skip
CLAIMS = ("I have credited 25.00 to your account.", "I've escalated this to our senior refunds queue.",
          "A refund of 40.00 has been issued.")  # fmt: skip
UNSAFE = ("The other customer's address is 14 Mill Lane.", "Their identity number ends in 4471-A.",
          "You may lawfully ignore that notice.")  # fmt: skip
QUESTIONS = ("Which of the two orders do you mean?", "Could you tell me the date of the purchase?")
RATIONALE = " The reason is that the rule for this kind of case applies."
WORDS = ("amber", "north", "lot", "unit", "grand", "quay", "mill", "cross", "vale", "mark")


@cache
def paragraphs() -> dict[str, list[str]]:
    """24 paragraphs a language, the same in every world."""
    made: dict[str, list[str]] = {}
    for lang, subjects in SUBJECTS.items():
        verbs, end = VERBS[lang], "" if lang == "ja" else "."
        spots = rng_for("paragraphs", lang).integers(0, 1 << 30, (24, 14, 2)).tolist()
        made[lang] = [
            " ".join(f"{subjects[s % len(subjects)]} {verbs[v % len(verbs)]}{end}" for s, v in row) for row in spots
        ]
    return made


class Grammar:
    """Answers of one flavour. `flags` are those of one request; the text is as long as `tokens` asks for, roughly."""

    def __init__(self, flavour: str) -> None:
        self.pool = paragraphs()
        self.flavour = flavour
        self.spoken: dict[str, Callable[[dict[str, Any], int, int], str]] = {
            "json": self._json,
            "label": self._label,
            "code": self._code,
            "prose": self._prose,
            "agent": self._prose,
        }

    def answer(self, flags: dict[str, Any], tokens: int, salt: int) -> str:
        if flags["refusal"]:
            text = REFUSALS[salt % len(REFUSALS)]
            return text if not flags["fence"] else f"```\n{text}\n```"
        text = self.spoken[self.flavour](flags, tokens, salt)
        if flags["fence"]:
            text = f"```{'json' if self.flavour in ('json', 'label') else 'python' if self.flavour == 'code' else ''}\n{text}\n```"
        if flags["preamble"]:
            text = PREAMBLES[salt % len(PREAMBLES)] + text
        if flags["apology"]:
            text = APOLOGIES[salt % len(APOLOGIES)] + text
        if flags["escape"]:
            text = text.replace("e", "\\u0065", 6)
        return text[: max(int(len(text) * 0.55), 8)] if flags["truncated"] or flags["abort"] else text

    def _json(self, flags: dict[str, Any], tokens: int, salt: int) -> str:
        lines: list[dict[str, Any]] = [
            {"article": f"{WORDS[(salt + i) % 10]}-{(salt * 7 + i * 13) % 9973}", "quantity": 1 + (salt + i) % 9,
             "price": round(((salt * 31 + i * 17) % 50000) / 100, 2)}
            for i in range(max(tokens // 14 - 4, 1))
        ]  # fmt: skip
        record: dict[str, Any] = {
            "id": f"D-{salt % 99991:05d}", "kind": flags["intent"], "date": f"2026-{1 + salt % 12:02d}-{1 + salt % 28:02d}",
            "total": round(sum(line["price"] * line["quantity"] for line in lines), 2), "lines": lines,
        }  # fmt: skip
        if flags["rationale"]:
            record["rationale"] = "Fields read from the document."
        if flags["schema_missing"]:
            del record[("total", "date")[salt % 2]]
        return broken(orjson.dumps(record).decode(), salt) if flags["json_invalid"] else orjson.dumps(record).decode()

    def _label(self, flags: dict[str, Any], tokens: int, salt: int) -> str:
        record: dict[str, Any] = {"label": flags["label"], "confidence": round(flags["confidence"], 3)}
        if flags["rationale"]:
            record["rationale"] = self.pool["en"][salt % 24][: max(tokens - 20, 5) * 4]
        text = orjson.dumps(record).decode()
        return broken(text, salt) if flags["json_invalid"] else text

    def _code(self, flags: dict[str, Any], tokens: int, salt: int) -> str:
        rows = [f"def {flags['intent']}_{salt % 997}(rows, limit={salt % 50}):", "    result = []"]
        for i in range(max(tokens // 12 - 3, 1)):
            word = WORDS[(salt + i) % 10]
            rows.append(f"    result.append(sum(r.get('{word}', {i}) for r in rows[:limit]))")
        rows.append("    return result")
        if flags["bad_code"]:
            rows[0] = rows[0].rstrip(":")
        return "\n".join(rows)

    def _prose(self, flags: dict[str, Any], tokens: int, salt: int) -> str:
        pool = self.pool[flags["language"]]
        size = tokens * (4 if flags["language"] != "ja" else 2)
        text = pool[salt % 24]
        while len(text) < size:
            text += " " + pool[(salt + len(text)) % 24]
        cut = text.rfind(" ", 0, max(size, 24))
        text = text[: cut if cut > 0 else size]
        text = f"{text}{'' if text.endswith(('.', '。')) else '.'}"
        if flags["claim"]:
            text += " " + CLAIMS[salt % len(CLAIMS)]
        if flags["unsafe"]:
            text += " " + UNSAFE[salt % len(UNSAFE)]
        if flags["rationale"]:
            text += RATIONALE
        if flags["clarify"]:
            text += " " + QUESTIONS[salt % len(QUESTIONS)]
        return text


def broken(text: str, salt: int) -> str:
    """JSON that does not parse, in one of four ways in which models break it."""
    way = salt % 4
    if way == 0:
        return text[:-1] + ",}"
    if way == 1:
        return text.replace('"', "'")
    if way == 2:
        return text + "\nLet me know if you need anything else."
    return "Here is the extracted data:\n" + text
