"""Slack's rate limits over a sliding window. https://docs.slack.dev/apis/web-api/rate-limits"""

import math
from collections import defaultdict, deque

from triagebot.testing.slack.clock import Clock
from triagebot.testing.slack.errors import SlackError
from triagebot.testing.slack.limits import POSTS_PER_CHANNEL, POSTS_PER_WORKSPACE, SPECIAL, TIER


class RateLimiter:
    """Counts calls per method, and posts per channel. `posts_per_second` is how many a channel takes each second.

    Slack says one, and tolerates "short bursts" without promising any.
    """

    def __init__(self, clock: Clock, *, enabled: bool = True, posts_per_second: int = POSTS_PER_CHANNEL[0]) -> None:
        self.clock = clock
        self.enabled = enabled
        self.posts_per_second = posts_per_second
        self.refusals: list[tuple[str, str]] = []
        self._seen: dict[tuple[str, str], deque[float]] = defaultdict(deque)

    def spend(self, method: str, tier: int, channel: str) -> None:
        """Take one call from the allowance, or refuse with HTTP 429 and the seconds to wait."""
        if not self.enabled:
            return
        if method == "chat.postMessage":
            windows = {
                (method, channel): (self.posts_per_second, POSTS_PER_CHANNEL[1]),
                (method, ""): POSTS_PER_WORKSPACE,
            }
        else:
            windows = {(method, ""): TIER[tier] if tier else SPECIAL}
        now = self.clock()
        for key, (most, seconds) in windows.items():
            seen = self._seen[key]
            while seen and seen[0] <= now - seconds:
                seen.popleft()
            if len(seen) >= most:
                self.refusals.append((method, channel))
                wait = max(1, math.ceil(seen[0] + seconds - now))
                raise SlackError("ratelimited", status=429, retry_after=wait)
        for key in windows:
            self._seen[key].append(now)
