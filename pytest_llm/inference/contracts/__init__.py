"""Contracts that every language model must keep: how each is examined.

What the findings mean is said by `pytest_llm.judging.contract`.
"""
