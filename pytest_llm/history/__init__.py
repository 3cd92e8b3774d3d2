"""What sessions measured, one line each, and how a gate's numbers went from run to run. No pytest, no model."""
