"""The command `pytest-llm`: what is done with stored results outside a test run."""
