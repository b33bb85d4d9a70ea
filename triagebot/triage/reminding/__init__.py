"""What somebody is asked until it is done: rows are the truth, the clock only says when to look."""
