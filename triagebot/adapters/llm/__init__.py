"""Language models: they write prose over facts, and are never asked what the facts are."""
