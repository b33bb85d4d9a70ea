"""Traces: OTLP intake, the spool, the embedded ClickHouse and a ClickHouse server, all read through the same columns."""
