"""Published checkpoints as Transformers of ours, and ours in files."""
