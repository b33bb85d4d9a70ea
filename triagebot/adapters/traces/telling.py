"""What was said, told in events of a span and not in its attributes, as SQL over the Collector's columns."""

from __future__ import annotations

from triagebot.adapters.traces.envelopes import is_object

# One event with all of it (OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT is
# EVENT_ONLY), two of the conventions before, or one for each message (the conventions until 1.36).
DETAILS = "gen_ai.client.inference.operation.details"
PROMPT, COMPLETION = "gen_ai.content.prompt", "gen_ai.content.completion"
SAID = ("gen_ai.system.message", "gen_ai.user.message", "gen_ai.assistant.message", "gen_ai.tool.message")
CHOICE = "gen_ai.choice"
TELLING = (DETAILS, PROMPT, COMPLETION, *SAID, CHOICE)
TOLD = ("gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.system_instructions", "gen_ai.tool.definitions")
TOLD_OLD = ("gen_ai.prompt", "gen_ai.completion")


def telling(names: str) -> str:
    """Whether events of these names tell what was said."""
    return f"hasAny({names}, [{_texts(TELLING)}])"


def told(attributes: str) -> str:
    """A span's attributes with what its events tell of the conversation; what the span itself says stands."""
    values = [f"{_event(DETAILS)}['{name}']" for name in TOLD]
    for place, names in enumerate((SAID, (CHOICE,))):
        values[place] = f"if({values[place]} != '', {values[place]}, {_each(names)})"
    values += [f"{_event(event)}['{name}']" for name, event in zip(TOLD_OLD, (PROMPT, COMPLETION), strict=True)]
    names = (*TOLD, *TOLD_OLD)
    listed = ", ".join(
        f"if({attributes}['{name}'] != '', '', {value})" for name, value in zip(names, values, strict=True)
    )
    pairs = f"arrayFilter(p -> p.2 != '', arrayZip([{_texts(names)}], [{listed}]))"
    known = f"CAST({pairs}, 'Map(LowCardinality(String), String)')"
    return f"if({telling('Events.Name')}, mapUpdate({attributes}, {known}), {attributes})"


def _texts(names: tuple[str, ...]) -> str:
    return ", ".join(f"'{name}'" for name in names)


def _event(name: str) -> str:
    """The attributes of the span's last event of this name, none where there is none."""
    return f"Events.Attributes[arrayLastIndex(n -> n = '{name}', Events.Name)]"


def _each(names: tuple[str, ...]) -> str:
    """A JSON list of the messages that the events of these names are, in their order; '' where there are none."""
    role = f"if(n = '{CHOICE}', 'assistant', splitByChar('.', toString(n))[2])"
    # The message as an object, by itself or within one; else its text alone.
    whole = "multiIf(a['message'] != '', a['message'], a['gen_ai.event.content'])"
    inner = f"if(JSONHas({whole}, 'message'), JSONExtractRaw({whole}, 'message'), {whole})"
    text = f"if(a['content'] != '', a['content'], {whole})"
    reason = f"if(a['finish_reason'] != '', a['finish_reason'], JSONExtractString({whole}, 'finish_reason'))"
    more = f"if({reason} = '', '', concat(',\"finish_reason\":', toJSONString({reason})))"
    more = f"concat({more}, if(a['tool_calls'] = '', '', concat(',\"tool_calls\":', a['tool_calls'])))"
    head = f"concat('{{\"role\":\"', {role}, '\"', {more}"
    rest = f"substring({inner}, position({inner}, '{{') + 1)"
    made = (
        f"multiIf(NOT ({is_object(inner)} AND isValidJSON({inner})), {head}, ',\"content\":', toJSONString({text}), '}}'), "
        f"match({inner}, '^\\\\s*\\\\{{\\\\s*\\\\}}'), {head}, '}}'), {head}, ',', {rest}))"
    )
    listed = f"arrayFilter((m, n) -> n IN ({_texts(names)}), arrayMap((a, n) -> {made}, Events.Attributes, Events.Name), Events.Name)"
    return f"if(hasAny(Events.Name, [{_texts(names)}]), concat('[', arrayStringConcat({listed}, ','), ']'), '')"
