"""SQL that unwraps the JSON envelopes in which SDKs record messages, documents, usage and tool definitions.

Every function takes SQL expressions and gives a SQL expression; nothing from outside becomes part of the text.
"""

from __future__ import annotations

_PART = "Array(Tuple(type String, content String, text String))"
MESSAGE = f"Tuple(role String, content String, parts {_PART}, text String, finish_reason String, tool_calls String)"
MESSAGES = f"Array({MESSAGE})"


def _is_list(text: str) -> str:
    """Whether a text is a JSON list of objects, pretty-printed or not; the pattern is anchored, so it fails at once."""
    return f"match({text}, '^[[:space:]]*[[][[:space:]]*[{{]')"


def is_object(text: str) -> str:
    return f"match({text}, '^[[:space:]]*[{{]')"


def _c(item: str) -> str:
    return f"tupleElement({item}, 'content')"


def _words(parts: str) -> str:
    """Text of a list of parts; parts that are not text (tool calls, images) are left out."""
    return (
        f"arrayStringConcat(arrayMap(p -> if({_c('p')} != '', {_c('p')}, tupleElement(p, 'text')), arrayFilter(p -> "
        f"tupleElement(p, 'type') IN ('text', 'output_text', 'input_text', ''), {parts})), '\\n')"
    )


def joined(parts: str) -> str:
    """The same for a JSON list of parts."""
    return _words(f"JSONExtract({parts}, '{_PART}')")


def text_of(message: str) -> str:
    content, parts = _c(message), f"tupleElement({message}, 'parts')"
    # One part of text, what nearly every message is, needs no lists to be made.
    first = f"tupleElement({parts}, 'content')[1]"
    one = f"length({parts}) = 1 AND {first} != '' AND tupleElement({parts}, 'type')[1] = 'text'"
    listed = f"if(notEmpty({parts}), {parts}, JSONExtract({content}, '{_PART}'))"
    return (
        f"multiIf({one}, {first}, notEmpty({parts}) OR {_is_list(content)}, {_words(listed)}, {content} = '', "
        f"tupleElement({message}, 'text'), {content})"
    )


def asks_for_tools(message: str) -> str:
    """Whether an answer asks for tools: OpenAI's `tool_calls`, a part or a content block of that type."""
    return (
        f"tupleElement({message}, 'tool_calls') NOT IN ('', '[]', 'null') OR arrayExists(p -> tupleElement(p, 'type') IN "
        f"('tool_call', 'tool_use', 'function_call'), tupleElement({message}, 'parts')) "
        f"OR position({_c(message)}, '\"tool_use\"') > 0"
    )


def prompt_end(listed: str, raw: str) -> str:
    """The last message of a prompt as JSON where it may hold what a tool answered; '' where a look shows that it does not."""
    content, role = (f"tupleElement({listed}, '{member}')[-1]" for member in ("content", "role"))
    members = " OR ".join(f"position({raw}, '\"{member}\"') > 0" for member in ("response", "result"))
    return (
        f"if(({members} OR {_is_list(content)}) AND ({_is_list(raw)} OR {role} != ''), JSONExtractRaw({raw}, -1), '')"
    )


def tool_answer(listed: str, end: str) -> str:
    """What a tool answered, where the last message of a prompt is that: a message of its own role, or a part of one."""
    own = f"if(lower(tupleElement({listed}, 'role')[-1]) IN ('tool', 'function'), {text_of(f'{listed}[-1]')}, '')"
    parts = [
        f"{get}({end}, '{parts}', 1, '{member}')"
        for parts, member in (("parts", "response"), ("parts", "result"), ("content", "content"))
        for get in ("JSONExtractString", "JSONExtractRaw")
    ]
    return f"if({end} = '', {own}, arrayFirst(x -> x != '', [{', '.join((own, *parts))}]))"


def messages(raw: str) -> str:
    """The list of messages inside the JSON envelopes that SDKs record: a list, one message, OpenAI's `choices`,
    Gemini's `candidates` or `contents`, Anthropic's `content` blocks, `{"messages": […]}`.
    """
    one = f"concat('[', {raw}, ']')"
    return (
        f"JSONExtract(multiIf({_is_list(raw)}, {raw}, NOT {is_object(raw)}, '', "
        f"JSONHas({raw}, 'messages'), JSONExtractRaw({raw}, 'messages'), "
        f"JSONHas({raw}, 'choices'), concat('[', arrayStringConcat(arrayMap(c -> JSONExtractRaw(c, 'message'), "
        f"JSONExtractArrayRaw({raw}, 'choices')), ','), ']'), "
        f"JSONHas({raw}, 'candidates'), concat('[', arrayStringConcat(arrayMap(c -> JSONExtractRaw(c, 'content'), "
        f"JSONExtractArrayRaw({raw}, 'candidates')), ','), ']'), "
        f"JSONHas({raw}, 'contents'), JSONExtractRaw({raw}, 'contents'), "
        f"JSONHas({raw}, 'role') OR (JSONHas({raw}, 'text') AND JSONHas({raw}, 'finish_reason')) "
        f"OR (JSONHas({raw}, 'content') AND JSONType({raw}, 'content') IN ('Array', 'Object')), "
        f"if(JSONType({raw}, 'content') = 'Object', concat('[', JSONExtractRaw({raw}, 'content'), ']'), {one}), ''), "
        f"'{MESSAGES}')"
    )


def indexed_messages(prefix: str, infix: str) -> tuple[str, tuple[str, ...]]:
    """Messages from attributes `<prefix><i>.<infix>role` and their content, as the tuples that `messages` gives; with the
    attributes that show that there are any. Keys and values are walked side by side, as in `indexed_tools`.
    """
    role, content, finish = (_member("m", name) for name in ("role", "content", "finish_reason"))
    texts = "p -> startsWith(p.1, 'contents.') AND endsWith(p.1, '.message_content.text')"
    contents = f"arrayStringConcat(arrayMap(p -> p.2, arrayFilter({texts}, m)), '\n')"
    calls = "if(arrayExists(p -> startsWith(p.1, 'tool_calls.'), m), '[1]', '')"
    sql = (
        f"if($first = '', [], arrayMap(m -> CAST(({role}, if({content} != '', {content}, {contents}), [], '', {finish}, "
        f"{calls}), '{MESSAGE}'), {_numbered(prefix, infix)}))"
    )
    return sql, (f"{prefix}0.{infix}role", f"{prefix}0.{infix}content")


def usage_details(*names: str) -> str:
    """First of these members of a usage JSON (Langfuse `usage_details`, MLflow `tokenUsage`)."""
    found = ", ".join(f"JSONExtract(@usage, '{name}', 'Nullable(Float64)')" for name in names)
    return f"if(@usage = '', NULL, coalesce({found}))"


_TOOL = (
    "Array(Tuple(name String, description String, parameters JSON, input_schema JSON, inputSchema JSON, "
    "parameters_json_schema JSON, function Tuple(name String, description String, parameters JSON)))"
)


def indexed_tools() -> tuple[str, tuple[str, ...]]:
    """Tool definitions from OpenInference's or OpenLLMetry's indexed attributes as a JSON list.

    Keys and values are walked side by side: a lambda that looks a key up would be handed the whole map for each element.
    """
    return (
        f"multiIf(H[llm.tools.0.tool.json_schema], concat('[', {_schemas()}, ']'), H[llm.request.functions.0.name], "
        f"concat('[', {_functions()}, '}}]'), '')",
        ("llm.tools.0.tool.json_schema", "llm.request.functions.0.name"),
    )


def _schemas() -> str:
    keys, values = _where("startsWith(k, 'llm.tools.') AND endsWith(k, '.tool.json_schema')")
    return f"arrayStringConcat(arraySort((v, k) -> toUInt32OrZero(extract(k, '[0-9]+')), {values}, {keys}), ',')"


def _functions() -> str:
    """`{"name":…,"description":…},{"name":…`: parts in the order of their function, one opened wherever its number changes."""
    keys, values = _where("match(k, '^llm[.]request[.]functions[.][0-9]+[.](name|description|parameters)$')")
    part, number = "extract(k, '[a-z]+$')", "toInt32OrZero(extract(k, '[0-9]+'))"
    order = f"({number}, indexOf(['name', 'description', 'parameters'], {part}))"
    ordered_keys, ordered = f"arraySort(k -> {order}, {keys})", f"arraySort((v, k) -> {order}, {values}, {keys})"
    numbers = f"arrayMap(k -> {number}, {ordered_keys})"
    before = f"arrayConcat([toInt32(-1)], arraySlice({numbers}, 1, length({numbers}) - 1))"
    told = f"if({part} = 'parameters', if(isValidJSON(v), v, '{{}}'), toJSONString(v))"
    return (
        f"arrayStringConcat(arrayMap((v, k, b) -> concat(multiIf(b = -1, '{{', b != {number}, '}},{{', ','), '\"', {part}, "
        f"'\":', {told}), {ordered}, {ordered_keys}, {before}))"
    )


def _numbered(prefix: str, infix: str) -> str:
    """Attributes `<prefix><i>.<infix><member>` as one list of (member, value) for each number, in the order of the numbers."""
    pattern = f"^{prefix}[0-9]+.{infix}".replace(".", "[.]")
    keys, values = _where(f"match(k, '{pattern}')")
    number, place = "toUInt32OrZero(extract(k, '[0-9]+'))", f"arrayEnumerate({keys})"
    ordered = f"arraySort((k, i) -> ({number}, i), {keys}, {place})"
    members = (
        f"arrayMap((k, v) -> (replaceRegexpOne(k, '{pattern}', ''), v), {ordered}, "
        f"arraySort((v, k, i) -> ({number}, i), {values}, {keys}, {place}))"
    )
    numbers = f"arrayMap(k -> {number}, {ordered})"
    before = f"arrayConcat([toUInt32(0)], arraySlice({numbers}, 1, length({numbers}) - 1))"
    return f"arraySplit((p, n, b) -> n != b, {members}, {numbers}, {before})"


def _member(of: str, name: str) -> str:
    return f"arrayFirst(p -> p.1 = '{name}', {of}).2"


def _where(condition: str) -> tuple[str, str]:
    """Keys `k` of the attributes that meet a condition, and their values, in the same order."""
    keys, values = "mapKeys(SpanAttributes)", "mapValues(SpanAttributes)"
    return f"arrayFilter(k -> {condition}, {keys})", f"arrayFilter((v, k) -> {condition}, {values}, {keys})"


def tools_list(definitions: str, strings: str, parameters: str, indexed: str) -> str:
    """Tool definitions as one JSON list: recorded whole, as a list of JSON strings (AI SDK), as indexed attributes, or
    inside Pydantic AI's request parameters.
    """
    return (
        f"multiIf({definitions} != '', {definitions}, {strings} != '', if(startsWith({strings}, '[\"'), concat('[', "
        f"arrayStringConcat(JSONExtract({strings}, 'Array(String)'), ','), ']'), {strings}), {indexed} != '', {indexed}, "
        f"{parameters} != '', replaceOne(JSONExtractRaw({parameters}, 'function_tools'), '[]', ''), '')"
    )


def tools_fingerprint(tools: str) -> str:
    """Hash of names, descriptions and schemas. The JSON type sorts keys at every depth, so neither the order of keys or
    tools nor whitespace matters; a list that cannot be read is hashed as it stands.
    """
    schema = (
        "arrayFirst(s -> s != '{}', [toString(tupleElement(t, 'parameters')), toString(tupleElement(tupleElement(t, 'function'), 'parameters')), toString(tupleElement(t, 'input_schema')), "
        "toString(tupleElement(t, 'inputSchema')), toString(tupleElement(t, 'parameters_json_schema'))])"
    )
    each = f"concat(tupleElement(t, 'name'), tupleElement(tupleElement(t, 'function'), 'name'), '\\n', tupleElement(t, 'description'), tupleElement(tupleElement(t, 'function'), 'description'), '\\n', {schema})"
    listed = f"arraySort(arrayMap(t -> {each}, JSONExtract({tools}, '{_TOOL}')))"
    canonical = f"if(empty({listed}), {tools}, arrayStringConcat({listed}, '\\n\\n'))"
    return f"if({tools} = '', '', substring(lower(hex(SHA256({canonical}))), 1, 16))"


_DOCUMENT = "Tuple(id String, score Nullable(Float64), content String, metadata String)"


def indexed_documents() -> tuple[str, tuple[str, ...]]:
    """Retrieved documents from OpenInference's indexed attributes."""
    name, score, content, metadata = (_member("d", name) for name in ("id", "score", "content", "metadata"))
    sql = (
        f"if($first = '', [], arrayMap(d -> CAST(({name}, toFloat64OrNull({score}), {content}, {metadata}), '{_DOCUMENT}'), "
        f"{_numbered('retrieval.documents.', 'document.')}))"
    )
    return sql, tuple(f"retrieval.documents.0.document.{member}" for member in ("id", "content", "score"))


def parsed_time(text: str) -> str:
    """Milliseconds since the epoch of an ISO date or time or of epoch seconds or milliseconds; NULL for anything else.

    The small build of the embedded engine has no parseDateTimeBestEffortOrNull.
    """
    iso = f"replaceOne(substring(if(length({text}) = 10, concat({text}, ' 00:00:00'), {text}), 1, 19), 'T', ' ')"
    epoch = f"toFloat64OrNull(if(match({text}, '^[0-9]{{10}}([0-9]{{3}})?$'), {text}, ''))"
    return (
        f"if({text} = '', NULL, coalesce({epoch} * if(length({text}) = 10, 1000, 1), "
        f"toFloat64(toUnixTimestamp64Milli(toDateTime64OrNull({iso}, 3, 'UTC')))))"
    )


def document_time(metadata: str) -> str:
    """When a document says it was last changed, in milliseconds, NULL where it does not."""
    fields = ("updated_at", "modified", "last_modified", "date", "timestamp")
    found = ", ".join(f"nullIf(JSONExtract({metadata}, '{name}', 'String'), '')" for name in fields)
    return f"arrayElement(arrayMap(x -> {parsed_time('x')}, [coalesce({found}, '')]), 1)"


def last(listed: str, *roles: str) -> str:
    """The last message with one of these roles, an empty one where there is none.

    Found by its index among the roles: a filter would copy every text of every message.
    """
    wanted = ", ".join(f"'{role}'" for role in roles)
    return f"{listed}[arrayLastIndex(r -> lower(r) IN ({wanted}), tupleElement({listed}, 'role'))]"


def instructions(raw: str) -> str:
    """`gen_ai.system_instructions`: a JSON list of parts, or plain text."""
    return f"if({_is_list(raw)}, {joined(raw)}, {raw})"


# Always set by MLflow, or names of its own: where one of them is in quotes, the exporter wrote every value as JSON.
QUOTING = ("mlflow.spanType", "mlflow.llm.model", "mlflow.llm.provider")


def unquoted(attributes: str) -> str:
    """A span's attributes without the JSON quotes that MLflow's OTLP exporter puts around every text. Only spans that show
    them are touched: elsewhere a text in quotes may be what somebody said.
    """
    quoted = " OR ".join(f"startsWith({attributes}['{name}'], '\"')" for name in QUOTING)
    plain = (
        "multiIf(v = 'null', '', startsWith(v, '\"') AND endsWith(v, '\"') AND isValidJSON(v), JSONExtractString(v), v)"
    )
    values = f"arrayMap(v -> {plain}, mapValues({attributes}))"
    made = f"CAST((mapKeys({attributes}), {values}), 'Map(LowCardinality(String), String)')"
    return f"if({quoted}, {made}, {attributes})"
