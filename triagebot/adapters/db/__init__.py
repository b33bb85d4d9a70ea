"""Durable state on SQLite or PostgreSQL."""
