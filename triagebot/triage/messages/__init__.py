"""What people read in the chat: pure functions from stored records to messages.

Nothing is imported here: a walk on the command line needs the numbers, not the templates.
"""
