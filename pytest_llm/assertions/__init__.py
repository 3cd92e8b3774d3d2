"""The functions that people write in tests. Each measures, judges, and raises `QualityError` unless the verdict is a pass."""
