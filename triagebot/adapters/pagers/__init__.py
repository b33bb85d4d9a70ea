"""Pagers: what they send becomes a Page, what they sign is checked, what PagerDuty knows is asked."""
