"""Inputs made to break what is tested, and shrunk to the smallest that does. The only part that knows Hypothesis."""
