"""Slack's way in: commands, shortcuts, clicks and modals, over Socket Mode or HTTP."""

from triagebot.entrypoints.slack.app import SlackDeps, build_slack_app
from triagebot.entrypoints.slack.serving import slack_endpoint, socket_mode

__all__ = ["SlackDeps", "build_slack_app", "slack_endpoint", "socket_mode"]
