"""Ways to hold or to pin an artifact in a freeze. A new one is a module here and a line in catalogue.py."""
