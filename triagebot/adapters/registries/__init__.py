"""Where artifacts live: one module a kind of registry, all of them listed in catalogue.py."""
