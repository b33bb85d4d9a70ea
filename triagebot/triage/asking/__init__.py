"""Questions in an incident's thread, answered from its record: by rule, or by a language model whose every sentence is checked."""
