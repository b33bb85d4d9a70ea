"""Names the surface that drifted when an LLM feature pages."""

__version__ = "0.1.0"
