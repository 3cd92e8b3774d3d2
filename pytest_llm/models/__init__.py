"""What can be measured: the `LanguageModel` protocol and its implementations."""
