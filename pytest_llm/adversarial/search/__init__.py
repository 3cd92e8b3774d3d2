"""The search for edits that break a model: all texts at once, in few batches, down to the smallest edit."""
