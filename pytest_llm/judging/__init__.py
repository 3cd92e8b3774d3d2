"""From a number to a verdict: a module for each kind of claim, and in each one function that decides.

No model, no disk, no pytest.
"""
