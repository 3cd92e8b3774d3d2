"""Verdicts, as people read them. Functions from values to lines; the plugin decides where the lines go."""
